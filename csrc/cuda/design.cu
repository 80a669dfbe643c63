// The lagged design itself, for those who ask for it.
#include "heschl/cuda.hpp"
#include "rows.hpp"

namespace heschl {

template <class T>
void lagged_design(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<T> X) {
    require(X.rows == ranges.rows() && X.cols == lags.count * H.cols(),
            "lagged_design: X must be (n_rows, n_lags * d)");
    const Reader<T> read(H, h_shift);
    const int64_t d = H.cols(), p = X.cols, first_lag = lags.first;
    std::vector<int64_t> rows;  // of each: frame, low, high
    for (int64_t r = 0; r < ranges.count; ++r)
        for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t)
            for (const int64_t value : {t, ranges.low(r), ranges.high(r)}) rows.push_back(value);
    const Buffer<int64_t> table(cuda, rows);
    const int64_t* row = table.data();
    for_each(cuda, X.rows * p, [=] __device__(int64_t at) {
        const int64_t* own = row + 3 * (at / p);
        const int64_t frame = own[0] - first_lag - at % p / d;
        X.data[at / p * X.stride + at % p] = read(frame >= own[1] && frame < own[2] ? frame : -1, at % d);
    });
}

template void lagged_design(const Cuda&, Frames<float>, Vector<const float>, Ranges, Lags, Matrix<float>);
template void lagged_design(const Cuda&, Frames<double>, Vector<const double>, Ranges, Lags, Matrix<double>);

}  // namespace heschl

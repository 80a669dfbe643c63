#include "heschl/kernels.hpp"
#include "rows.hpp"

namespace heschl {

template <class T>
void lagged_design(const Cpu& cpu, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<T> X) {
    require(X.rows == ranges.rows() && X.cols == lags.count * H.cols(),
            "lagged_design: X must be (n_rows, n_lags * d)");
    // Threads share rows, not ranges: one long recording is as parallel as many sentences.
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(1, X.cols));
    parallel_for(cpu.n_threads, X.rows, grain, [&](int64_t first, int64_t last) {
        int64_t start = 0;  // row of X where the range begins
        for (int64_t r = 0; r < ranges.count; ++r) {
            const int64_t size = ranges.end(r) - ranges.begin(r);
            for (int64_t i = std::max(start, first); i < std::min(start + size, last); ++i)
                lagged_row(H, h_shift, {ranges.begin(r) + i - start, ranges.low(r), ranges.high(r)}, lags, X.row(i));
            start += size;
        }
    });
}

template void lagged_design(const Cpu&, Frames<float>, Vector<const float>, Ranges, Lags, Matrix<float>);
template void lagged_design(const Cpu&, Frames<double>, Vector<const double>, Ranges, Lags, Matrix<double>);

}  // namespace heschl

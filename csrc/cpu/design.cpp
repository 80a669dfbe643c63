#include "heschl/kernels.hpp"
#include "parallel.hpp"
#include "rows.hpp"

namespace heschl {

template <class T>
void lagged_design(const Cpu& cpu, Matrix<const T> H, Segments segments, Lags lags, Matrix<T> X) {
    require(X.rows == H.rows && X.cols == lags.count * H.cols, "lagged_design: X must be (n, n_lags * d)");
    // Threads share rows, not segments: one long recording is as parallel as many sentences.
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(1, X.cols));
    parallel_for(cpu.n_threads, H.rows, grain, [&](int64_t first, int64_t last) {
        for (int64_t s = 0; s < segments.count; ++s) {
            const int64_t begin = segments.begin(s), end = segments.end(s);
            for (int64_t t = std::max(begin, first); t < std::min(end, last); ++t)
                lagged_row<T>(H, {}, t, begin, end, lags, X.row(t));
        }
    });
}

template void lagged_design(const Cpu&, Matrix<const float>, Segments, Lags, Matrix<float>);
template void lagged_design(const Cpu&, Matrix<const double>, Segments, Lags, Matrix<double>);

}  // namespace heschl

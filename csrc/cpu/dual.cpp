// The kernel matrix of the lagged design, X X', without X: one product of frames with frames, then sums along its
// diagonals, each window by itself (a running sum would carry float32's rounding along).
#include "heschl/kernels.hpp"
#include "rows.hpp"
#include "triangle.hpp"

namespace heschl {
namespace {

bool ascending(Ranges ranges) {
    for (int64_t r = 1; r < ranges.count; ++r)
        if (ranges.begin(r) < ranges.end(r - 1)) return false;
    return true;
}

}  // namespace

template <class T>
void lagged_kernel(const Cpu& cpu, Matrix<const T> A, Ranges a, Matrix<const T> B, Ranges b, Lags lags, Matrix<T> K) {
    require(A.cols == B.cols, "lagged_kernel: A (n_a, d) and B (n_b, d) differ in d");
    require(K.rows == a.rows() && K.cols == b.rows(), "lagged_kernel: K must be (rows of a, rows of b)");
    constexpr int64_t height = 256;  // rows of K at a time
    const int64_t last = lags[lags.count - 1];
    // The same rows on both sides, in order: the lower triangle, which looks at no frame after those of its own rows.
    const bool symmetric = A.data == B.data && a.bounds == b.bounds && a.count == b.count && ascending(a);
    std::vector<T> product(static_cast<std::size_t>((height + lags.count - 1) * B.rows));
    int64_t start = 0, reached = 0;  // row of K where the range begins; frames that the ranges before it look at
    for (int64_t r = 0; r < a.count; start += a.end(r) - a.begin(r), ++r)
        for (int64_t from = a.begin(r); from < a.end(r); from += height) {
            const int64_t to = std::min(from + height, a.end(r));
            // Frames that these rows look at.
            const int64_t low = std::max(from - last, a.low(r)), high = std::min(to - lags[0], a.high(r));
            const int64_t columns = symmetric ? start + to - a.begin(r) : K.cols;
            for (int64_t t = from; t < to; ++t) std::fill_n(K.row(start + t - a.begin(r)), columns, T(0));
            reached = std::max(reached, high);
            if (low >= high) continue;
            const int64_t frames = symmetric ? reached : B.rows;
            const Matrix<T> P{product.data(), high - low, frames, frames};
            gemm<T>(cpu, false, true, T(1), {A.row(low), high - low, A.cols, A.stride},
                    {B.data, frames, B.cols, B.stride}, T(0), P);
            parallel_for(cpu.n_threads, to - from, 8, [&](int64_t first, int64_t stop) {
                for (int64_t t = from + first; t < from + stop; ++t) {
                    T* row = K.row(start + t - a.begin(r));
                    int64_t column = 0;
                    for (int64_t q = 0; column < columns; column += b.end(q) - b.begin(q), ++q)
                        for (int64_t k = 0; k < lags.count; ++k) {
                            const int64_t u = t - lags[k];
                            if (u < low || u >= high) continue;
                            const T* products = P.row(u - low);
                            const int64_t begin = std::max(b.begin(q), b.low(q) + lags[k]);
                            const int64_t stops = symmetric && q == r ? to : b.end(q);
                            const int64_t end = std::min(stops, b.high(q) + lags[k]);
                            T* out = row + column - b.begin(q);
                            for (int64_t s = begin; s < end; ++s) out[s] += products[s - lags[k]];
                        }
                }
            });
        }
    if (symmetric) mirror(cpu, K);
}

template void lagged_kernel(const Cpu&, Matrix<const float>, Ranges, Matrix<const float>, Ranges, Lags, Matrix<float>);
template void lagged_kernel(const Cpu&, Matrix<const double>, Ranges, Matrix<const double>, Ranges, Lags,
                            Matrix<double>);

}  // namespace heschl

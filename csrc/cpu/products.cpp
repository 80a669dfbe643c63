// Products that threads share, each with a BLAS thread of its own: large ones by parts of the result, complex ones by
// frequency.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "heschl/kernels.hpp"
#include "parallel.hpp"

namespace heschl {

template <class T>
void multiply(const Cpu& cpu, bool transpose_a, bool transpose_b, T scale, Matrix<const T> a, Matrix<const T> b, T keep,
              Matrix<T> out) {
    const int64_t inner = transpose_a ? a.rows : a.cols;
    require((transpose_a ? a.cols : a.rows) == out.rows && (transpose_b ? b.rows : b.cols) == out.cols &&
                (transpose_b ? b.cols : b.rows) == inner,
            "multiply: expected (m, k) times (k, n) into (m, n)");
    if (inner == 0) return;
    constexpr int64_t least = 1 << 20;  // multiplications that are worth a thread
    const bool by_rows = out.rows >= out.cols;
    const int64_t each = std::max<int64_t>(1, inner * (by_rows ? out.cols : out.rows));
    parallel_for(cpu.n_threads, by_rows ? out.rows : out.cols, std::max<int64_t>(8, least / each),
                 [&](int64_t begin, int64_t end) {
                     const int64_t count = end - begin;
                     Matrix<const T> left = a, right = b;
                     Matrix<T> part = out;
                     if (by_rows) {
                         left = transpose_a ? Matrix<const T>{a.data + begin, a.rows, count, a.stride}
                                            : Matrix<const T>{a.row(begin), count, a.cols, a.stride};
                         part = {out.row(begin), count, out.cols, out.stride};
                     } else {
                         right = transpose_b ? Matrix<const T>{b.row(begin), count, b.cols, b.stride}
                                             : Matrix<const T>{b.data + begin, b.rows, count, b.stride};
                         part = {out.data + begin, out.rows, count, out.stride};
                     }
                     gemm<T>(cpu, transpose_a, transpose_b, scale, left, right, keep, part);
                 });
}

// out = values + keep * out, where 0 keeps nothing, NaN included.
template <class T>
static void add_row(const T* values, T keep, T* out, int64_t count) {
    if (keep == T(0))
        std::copy_n(values, count, out);
    else
        for (int64_t j = 0; j < count; ++j) out[j] = values[j] + keep * out[j];
}

// The same numbers in the precision of what they are multiplied by; written into `room` where that is another one.
template <class T, class S>
static Matrix<const T> as(Matrix<const S> M, std::vector<T>& room) {
    if constexpr (std::is_same_v<S, T>) {
        return M;
    } else {
        room.resize(static_cast<std::size_t>(M.rows * M.cols));
        for (int64_t i = 0; i < M.rows; ++i) std::copy_n(M.row(i), M.cols, room.data() + i * M.cols);
        return {room.data(), M.rows, M.cols, M.cols};
    }
}

template <class S, class T>
void complex_products(const Cpu& cpu, Matrix<const S> middle, Matrix<const S> plus, Matrix<const S> minus,
                      bool transposed, int64_t frequencies, Matrix<const T> V, T keep, Matrix<T> out) {
    const int64_t f = std::max<int64_t>(1, frequencies), rows = middle.rows / f, cols = middle.cols;
    const int64_t d = transposed ? rows : cols, r = transposed ? cols : rows, c = V.cols;
    require(middle.rows == f * rows && plus.rows == middle.rows && plus.cols == cols,
            "complex_products: expected one block for each frequency");
    require(minus ? minus.rows == plus.rows && minus.cols == cols : rows == cols,
            "complex_products: expected a block of differences for each frequency, or Hermitian ones");
    require(V.rows == 2 * f * d && out.rows == 2 * f * r && out.cols == c,
            "complex_products: expected vectors (2 f d, c) and a result (2 f r, c)");
    if (frequencies == 0 || d * r * c == 0) return;
    parallel_for(cpu.n_threads, f, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> sum(static_cast<std::size_t>(d * c));
        std::vector<T> product(static_cast<std::size_t>(r * c));
        const Matrix<const T> both{sum.data(), d, c, c};
        const Matrix<T> shared{product.data(), r, c, c};
        std::vector<T> converted;
        for (int64_t k = begin; k < end; ++k) {
            const auto block = [&](Matrix<const S> M) {
                return as<T>(Matrix<const S>{M.row(k * rows), rows, cols, M.stride}, converted);
            };
            const Matrix<const T> x{V.row(k * d), d, c, V.stride}, y{V.row((f + k) * d), d, c, V.stride};
            const Matrix<T> real{out.row(k * r), r, c, out.stride}, imaginary{out.row((f + k) * r), r, c, out.stride};
            for (int64_t i = 0; i < d; ++i)
                for (int64_t j = 0; j < c; ++j) sum[i * c + j] = x.row(i)[j] + y.row(i)[j];
            // (A + iB)(x + iy) = A(x + y) - (A + B) y + i (A(x + y) - (A - B) x)
            gemm<T>(cpu, transposed, false, T(1), block(middle), both, T(0), shared);
            for (int64_t i = 0; i < r; ++i)
                for (const Matrix<T>& half : {real, imaginary}) add_row(shared.row(i), keep, half.row(i), c);
            gemm<T>(cpu, transposed, false, T(-1), block(plus), y, T(1), real);
            gemm<T>(cpu, minus ? transposed : !transposed, false, T(-1), block(minus ? minus : plus), x, T(1),
                    imaginary);
        }
    });
}

template void multiply(const Cpu&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void multiply(const Cpu&, bool, bool, double, Matrix<const double>, Matrix<const double>, double,
                       Matrix<double>);
template void complex_products(const Cpu&, Matrix<const float>, Matrix<const float>, Matrix<const float>, bool, int64_t,
                               Matrix<const float>, float, Matrix<float>);
template void complex_products(const Cpu&, Matrix<const float>, Matrix<const float>, Matrix<const float>, bool, int64_t,
                               Matrix<const double>, double, Matrix<double>);
template void complex_products(const Cpu&, Matrix<const double>, Matrix<const double>, Matrix<const double>, bool,
                               int64_t, Matrix<const double>, double, Matrix<double>);

}  // namespace heschl

// CCA: sides made orthonormal by Cholesky factors of their Gram matrices, and the largest singular values of products
// of such sides. Each thread calls BLAS on rows, or on matrices, of its own.
#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "heschl/kernels.hpp"
#include "parallel.hpp"
#include "triangle.hpp"

namespace heschl {

template <class T>
void whiten_rows(const Cpu& cpu, Matrix<const T> X, Vector<const double> mean, Vector<const double> factor,
                 Matrix<const double> U, Matrix<T> Q, Matrix<double> gram) {
    const int64_t n = X.rows, d = X.cols;
    require(mean.size == d && factor.size == d, "whiten_rows: expected mean and factor of size d");
    require(!gram || (gram.rows == d && gram.cols == d), "whiten_rows: expected gram (d, d)");
    require(!U || (U.rows == d && U.cols == d), "whiten_rows: expected U (d, d)");
    require(!Q || (Q.rows == n && Q.cols == d), "whiten_rows: expected Q (n, d)");
    constexpr int64_t height = 2048;  // rows at a time
    for (int64_t i = 0; i < gram.rows; ++i) std::fill_n(gram.row(i), d, 0.0);
    std::mutex adding;
    parallel_for(cpu.n_threads, n, 256, [&](int64_t begin, int64_t end) {
        std::vector<double> rows(static_cast<std::size_t>(std::min(height, end - begin) * d)),
            sum(static_cast<std::size_t>(gram.rows * d));
        const Matrix<double> own{sum.data(), d, d, d};
        for (int64_t from = begin; from < end; from += height) {
            const int64_t count = std::min(height, end - from);
            const Matrix<double> block{rows.data(), count, d, d};
            for (int64_t t = 0; t < count; ++t) {
                const T* x = X.row(from + t);
                double* q = block.row(t);
                for (int64_t j = 0; j < d; ++j) q[j] = (static_cast<double>(x[j]) - mean[j]) * factor[j];
            }
            if (U) divide_upper(cpu, U, block);
            if (Q)
                for (int64_t t = 0; t < count; ++t) {
                    T* out = Q.row(from + t);
                    double* q = block.row(t);
                    // The Gram matrix is of the rows as they are kept, rounding included.
                    for (int64_t j = 0; j < d; ++j) q[j] = static_cast<double>(out[j] = static_cast<T>(q[j]));
                }
            if (gram) syrk_lower<double>(cpu, 1.0, {block.data, count, d, d}, 1.0, own);
        }
        const std::lock_guard<std::mutex> lock(adding);
        for (int64_t i = 0; i < gram.rows; ++i)
            for (int64_t j = 0; j <= i; ++j) gram.row(i)[j] += own.row(i)[j];
    });
    if (gram) mirror(cpu, gram);
}

void largest_singular(const Cpu& cpu, Matrix<const double> M, Vector<const int64_t> edges, int64_t k,
                      Matrix<double> values, Matrix<double> vectors) {
    const int64_t count = edges.size - 1;
    require(count >= 0 && edges[0] == 0 && edges[count] == M.rows, "largest_singular: edges must go from 0 to rows");
    require(values.rows == count && values.cols == k, "largest_singular: expected values (matrices, k)");
    require(!vectors || (vectors.rows == count * k && vectors.cols >= std::min(M.rows, M.cols)),
            "largest_singular: expected vectors (matrices * k, the smaller side)");
    for (int64_t b = 0; b < count; ++b) require(edges[b] <= edges[b + 1], "largest_singular: edges must ascend");
    parallel_for(cpu.n_threads, count, 1, [&](int64_t begin, int64_t end) {
        std::vector<double> gram, squares, vector;
        for (int64_t b = begin; b < end; ++b) {
            const Matrix<const double> own{M.row(edges[b]), edges[b + 1] - edges[b], M.cols, M.stride};
            const int64_t size = std::min(own.rows, own.cols), found = std::min(k, size);
            std::fill_n(values.row(b), k, 0.0);
            if (found == 0) continue;
            gram.resize(static_cast<std::size_t>(size * size));
            squares.resize(static_cast<std::size_t>(size));
            vector.resize(static_cast<std::size_t>(vectors ? found * size : 1));
            const Matrix<double> square{gram.data(), size, size, size};
            if (own.rows <= own.cols)
                syrk_rows_lower<double>(cpu, 1.0, own, 0.0, square);
            else
                syrk_lower<double>(cpu, 1.0, own, 0.0, square);
            largest_eigen(cpu, square, found, squares.data(),
                          vectors ? Matrix<double>{vector.data(), found, size, size} : Matrix<double>{});
            for (int64_t i = 0; i < found; ++i) {  // LAPACK's rise
                values.row(b)[i] = std::sqrt(std::max(squares[static_cast<std::size_t>(found - 1 - i)], 0.0));
                if (vectors) std::copy_n(vector.data() + (found - 1 - i) * size, size, vectors.row(b * k + i));
            }
        }
    });
}

template void whiten_rows(const Cpu&, Matrix<const float>, Vector<const double>, Vector<const double>,
                          Matrix<const double>, Matrix<float>, Matrix<double>);
template void whiten_rows(const Cpu&, Matrix<const double>, Vector<const double>, Vector<const double>,
                          Matrix<const double>, Matrix<double>, Matrix<double>);

}  // namespace heschl

// CCA: sides made orthonormal by Cholesky factors of their Gram matrices; largest singular values by eigenvalues.
#include <cmath>

#include "device.hpp"
#include "heschl/cuda.hpp"

namespace heschl {

template <class T>
void whiten_rows(const Cuda& cuda, Matrix<const T> X, Vector<const double> mean, Vector<const double> factor,
                 Matrix<const double> U, Matrix<T> Q, Matrix<double> gram) {
    const int64_t n = X.rows, d = X.cols;
    require(mean.size == d && factor.size == d, "whiten_rows: expected mean and factor of size d");
    require(!gram || (gram.rows == d && gram.cols == d), "whiten_rows: expected gram (d, d)");
    require(!U || (U.rows == d && U.cols == d), "whiten_rows: expected U (d, d)");
    require(!Q || (Q.rows == n && Q.cols == d), "whiten_rows: expected Q (n, d)");
    const int64_t height = std::max<int64_t>(64, block_bytes / (d * int64_t{sizeof(double)}));
    const Buffer<double> rows(cuda, std::min(height, n) * d);
    for (int64_t from = 0; from < n; from += height) {
        const int64_t count = std::min(height, n - from);
        const Matrix<double> block = rows.matrix(count, d);
        const double *m = mean.data, *by = factor.data;
        for_each(cuda, count * d, [=] __device__(int64_t at) {
            const int64_t j = at % d;
            block.data[at] = (static_cast<double>(X.data[(from + at / d) * X.stride + j]) - m[j]) * by[j];
        });
        if (U) divide_upper(cuda, U, block);
        if (Q)  // the Gram matrix is of the rows as they are kept, rounding included
            for_each(cuda, count * d, [=] __device__(int64_t at) {
                T& kept = Q.data[(from + at / d) * Q.stride + at % d];
                kept = static_cast<T>(block.data[at]);
                block.data[at] = static_cast<double>(kept);
            });
        if (gram) syrk_lower<double>(cuda, 1.0, {block.data, count, d, d}, from == 0 ? 0.0 : 1.0, gram);
    }
    if (!gram) return;
    for_each(cuda, d * d, [=] __device__(int64_t at) {
        if (at / d < at % d) gram.data[at / d * gram.stride + at % d] = gram.data[at % d * gram.stride + at / d];
    });
}

void largest_singular(const Cuda& cuda, Matrix<const double> M, Vector<const int64_t> edges, int64_t k,
                      Matrix<double> values, Matrix<double> vectors) {
    const int64_t count = edges.size - 1;
    require(count >= 0 && edges[0] == 0 && edges[count] == M.rows, "largest_singular: edges must go from 0 to rows");
    require(values.rows == count && values.cols == k, "largest_singular: expected values (matrices, k)");
    require(!vectors || (vectors.rows == count * k && vectors.cols >= std::min(M.rows, M.cols)),
            "largest_singular: expected vectors (matrices * k, the smaller side)");
    for (int64_t b = 0; b < count; ++b) require(edges[b] <= edges[b + 1], "largest_singular: edges must ascend");
    const auto smaller = [&](int64_t b) { return std::min(edges[b + 1] - edges[b], M.cols); };
    for (int64_t b = 0, next = 0; b < count; b = next) {
        // Neighbours of one size are decomposed together, as many as take block_bytes.
        const int64_t size = smaller(b), found = std::min(k, size);
        const int64_t most = std::max<int64_t>(1, block_bytes / (std::max<int64_t>(1, size * size) * 8));
        for (next = b + 1; next < count && next - b < most && smaller(next) == size;) ++next;
        const int64_t together = next - b;
        for (int64_t i = 0; i < together; ++i)
            cuda.clear(values.row(b + i), static_cast<std::size_t>(k) * sizeof(double));
        if (found == 0) continue;
        const Buffer<double> grams(cuda, together * size * size), squares(cuda, together * size);
        for (int64_t i = 0; i < together; ++i) {
            const Matrix<const double> own{M.row(edges[b + i]), edges[b + i + 1] - edges[b + i], M.cols, M.stride};
            const Matrix<double> square{grams.data() + i * size * size, size, size, size};
            if (own.rows <= own.cols)
                syrk_rows_lower<double>(cuda, 1.0, own, 0.0, square);
            else
                syrk_lower<double>(cuda, 1.0, own, 0.0, square);
        }
        eigen_lower(cuda, grams.matrix(together * size, size), static_cast<bool>(vectors), squares.data());
        const double *rising = squares.data(), *rows = grams.data();
        const Matrix<double> out{values.row(b), together, found, values.stride};
        for_each(cuda, together * found, [=] __device__(int64_t at) {
            const double value = rising[at / found * size + size - 1 - at % found];
            out.data[at / found * out.stride + at % found] = value > 0.0 ? std::sqrt(value) : 0.0;
        });
        if (!vectors) continue;
        const Matrix<double> target{vectors.row(b * k), together * k, size, vectors.stride};
        for_each(cuda, together * found * size, [=] __device__(int64_t at) {
            const int64_t i = at / (found * size), which = at / size % found, j = at % size;
            target.data[(i * k + which) * target.stride + j] = rows[((i + 1) * size - 1 - which) * size + j];
        });
    }
}

template void whiten_rows(const Cuda&, Matrix<const float>, Vector<const double>, Vector<const double>,
                          Matrix<const double>, Matrix<float>, Matrix<double>);
template void whiten_rows(const Cuda&, Matrix<const double>, Vector<const double>, Vector<const double>,
                          Matrix<const double>, Matrix<double>, Matrix<double>);

}  // namespace heschl

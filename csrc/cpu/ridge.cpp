// Ridge by one Cholesky per alpha, the Gram matrix kept in one triangle and the factor made in the other.
#include <cmath>

#include "heschl/kernels.hpp"
#include "parallel.hpp"

namespace heschl {
namespace {

// Mirrors the strict lower triangle into the upper one, in tiles so that neither side strides through memory.
template <class T>
void mirror(const Cpu& cpu, Matrix<T> G) {
    constexpr int64_t tile = 64;
    const int64_t p = G.rows, tiles = (p + tile - 1) / tile;
    const auto copy_tile = [&](int64_t a, int64_t b) {
        for (int64_t r = a * tile; r < std::min(p, (a + 1) * tile); ++r)
            for (int64_t col = std::max(r + 1, b * tile); col < std::min(p, (b + 1) * tile); ++col)
                G.row(r)[col] = G.row(col)[r];
    };
    parallel_for(cpu.n_threads, tiles, 8, [&](int64_t first, int64_t last) {
        for (int64_t a = first; a < last; ++a)
            for (int64_t b = a; b < tiles; ++b) copy_tile(a, b);
    });
}

}  // namespace

template <class T>
void ridge_solve(const Cpu& cpu, Matrix<T> G, Vector<const T> diagonal, double alpha, Matrix<T> W) {
    const int64_t p = G.rows;
    require(G.cols == p && diagonal.size == p && W.rows == p, "ridge_solve: G (p, p), diagonal (p), W (p, c) differ");
    mirror(cpu, G);
    for (int64_t r = 0; r < p; ++r) G.row(r)[r] = static_cast<T>(static_cast<double>(diagonal[r]) + alpha);
    cholesky_upper(cpu, G);
    solve_upper<T>(cpu, {G.data, p, p, G.stride}, W);
}

template <class T>
double ridge_residual(const Cpu& cpu, Matrix<const T> G, Vector<const T> diagonal, double alpha, Matrix<const T> R,
                      Matrix<const T> W, Vector<const int64_t> targets) {
    const int64_t p = G.rows, count = targets.size;
    require(R.rows == p && W.rows == p && R.cols == W.cols, "ridge_residual: R and W must be (p, c)");
    for (int64_t j = 0; j < count; ++j)
        require(targets[j] >= 0 && targets[j] < W.cols, "ridge_residual: a target is out of range");
    std::vector<double> w(static_cast<std::size_t>(p * count)), left(static_cast<std::size_t>(p * count));
    for (int64_t r = 0; r < p; ++r)
        for (int64_t j = 0; j < count; ++j) {
            w[j * p + r] = static_cast<double>(W.row(r)[targets[j]]);
            left[j * p + r] =
                (static_cast<double>(diagonal[r]) + alpha) * w[j * p + r] - static_cast<double>(R.row(r)[targets[j]]);
        }
    // (G w)_r needs the lower triangle twice: by rows and by columns. One thread a target keeps the sums apart.
    parallel_for(cpu.n_threads, count, 1, [&](int64_t first, int64_t last) {
        for (int64_t j = first; j < last; ++j) {
            const double* x = w.data() + j * p;
            double* y = left.data() + j * p;
            for (int64_t r = 0; r < p; ++r) {
                const T* row = G.row(r);
                double sum = 0.0;
                for (int64_t g = 0; g < r; ++g) {
                    sum += static_cast<double>(row[g]) * x[g];
                    y[g] += static_cast<double>(row[g]) * x[r];
                }
                y[r] += sum;
            }
        }
    });
    double worst = 0.0;
    for (int64_t j = 0; j < count; ++j) {
        double residual = 0.0, size = 0.0;
        for (int64_t r = 0; r < p; ++r) {
            const double value = static_cast<double>(R.row(r)[targets[j]]);
            residual += left[j * p + r] * left[j * p + r];
            size += value * value;
        }
        if (!(residual <= 0.0)) worst = std::max(worst, std::sqrt(residual / std::max(size, 1e-300)));
        if (std::isnan(residual)) return residual;
    }
    return worst;
}

template <class T>
void quadratic_errors(const Cpu& cpu, Matrix<T> G, Matrix<const T> R, Matrix<const T> W, Vector<double> out) {
    const int64_t p = G.rows, c = R.cols, sets = c > 0 ? W.cols / c : 0;
    require(G.cols == p && R.rows == p && W.rows == p && W.cols == sets * c && out.size == W.cols,
            "quadratic_errors: G (p, p), R (p, c), W (p, m c), out (m c) differ");
    mirror(cpu, G);
    constexpr int64_t rows = 256;  // of G at a time: its product with W is used while it is in cache
    std::vector<T> product(static_cast<std::size_t>(std::min(rows, p) * W.cols));
    std::fill_n(out.data, out.size, 0.0);
    for (int64_t from = 0; from < p; from += rows) {
        const int64_t count = std::min(rows, p - from);
        gemm<T>(cpu, false, false, T(1), {G.row(from), count, p, G.stride}, W, T(0),
                {product.data(), count, W.cols, W.cols});
        parallel_for(cpu.n_threads, W.cols, 1024, [&](int64_t first, int64_t last) {
            for (int64_t i = 0; i < count; ++i) {
                const T *w = W.row(from + i), *r = R.row(from + i), *g = product.data() + i * W.cols;
                for (int64_t j = first; j < last; ++j)
                    out[j] += static_cast<double>(w[j]) *
                              (static_cast<double>(g[j]) - 2.0 * static_cast<double>(r[j % c]));
            }
        });
    }
}

template void quadratic_errors(const Cpu&, Matrix<float>, Matrix<const float>, Matrix<const float>, Vector<double>);
template void quadratic_errors(const Cpu&, Matrix<double>, Matrix<const double>, Matrix<const double>, Vector<double>);
template void ridge_solve(const Cpu&, Matrix<float>, Vector<const float>, double, Matrix<float>);
template void ridge_solve(const Cpu&, Matrix<double>, Vector<const double>, double, Matrix<double>);
template double ridge_residual(const Cpu&, Matrix<const float>, Vector<const float>, double, Matrix<const float>,
                               Matrix<const float>, Vector<const int64_t>);
template double ridge_residual(const Cpu&, Matrix<const double>, Vector<const double>, double, Matrix<const double>,
                               Matrix<const double>, Vector<const int64_t>);

}  // namespace heschl

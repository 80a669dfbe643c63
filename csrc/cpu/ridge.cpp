// Ridge by one Cholesky per alpha, the Gram matrix kept in one triangle and the factor made in the other.
#include <cmath>

#include "heschl/kernels.hpp"
#include "triangle.hpp"

namespace heschl {

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
double ridge_residual(const Cpu& cpu, Matrix<const T> G, Vector<const T> diagonal, const std::vector<double>& alphas,
                      Matrix<const T> R, Matrix<const T> W, Vector<const int64_t> targets) {
    const int64_t p = G.rows, count = targets.size;
    require(static_cast<int64_t>(alphas.size()) == count, "ridge_residual: an alpha for each target");
    require(R.rows == p && W.rows == p && R.cols == W.cols, "ridge_residual: R and W must be (p, c)");
    for (int64_t j = 0; j < count; ++j)
        require(targets[j] >= 0 && targets[j] < W.cols, "ridge_residual: a target is out of range");
    std::vector<double> w(static_cast<std::size_t>(p * count)), left(static_cast<std::size_t>(p * count));
    for (int64_t r = 0; r < p; ++r)
        for (int64_t j = 0; j < count; ++j) {
            w[j * p + r] = static_cast<double>(W.row(r)[targets[j]]);
            left[j * p + r] = (static_cast<double>(diagonal[r]) + alphas[static_cast<std::size_t>(j)]) * w[j * p + r] -
                              static_cast<double>(R.row(r)[targets[j]]);
        }
    // (G w)_r needs the lower triangle twice: by rows and by columns. One thread a target keeps the sums apart.
    parallel_for(cpu.n_threads, count, 1, [&](int64_t first, int64_t last) {
        for (int64_t j = first; j < last; ++j) {
            const double* x = w.data() + j * p;
            double* y = left.data() + j * p;
            for (int64_t r = 0; r < p; ++r) {
                const T* row = G.row(r);
                constexpr int64_t lanes = 8;  // sums side by side, which the compiler may not invent
                double sums[lanes] = {}, sum = 0.0;
                int64_t g = 0;
                for (; g + lanes <= r; g += lanes)
                    for (int64_t lane = 0; lane < lanes; ++lane) {
                        const double value = static_cast<double>(row[g + lane]);
                        sums[lane] += value * x[g + lane];
                        y[g + lane] += value * x[r];
                    }
                for (; g < r; ++g) {
                    sum += static_cast<double>(row[g]) * x[g];
                    y[g] += static_cast<double>(row[g]) * x[r];
                }
                for (const double part : sums) sum += part;
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
void quadratic_errors(const Cpu& cpu, Matrix<const T> G, Matrix<const T> R, Matrix<const T> W, Vector<double> out) {
    const int64_t p = G.rows, c = R.cols, sets = c > 0 ? W.cols / c : 0;
    require(G.cols == p && R.rows == p && W.rows == p && W.cols == sets * c && out.size == W.cols,
            "quadratic_errors: G (p, p), R (p, c), W (p, m c), out (m c) differ");
    // w'Gw needs the lower triangle alone: blocks below the diagonal count twice.
    constexpr int64_t rows = 256;  // of G at a time: its product with W is used while it is in cache
    const int64_t height = std::min(rows, p);
    std::vector<T> product(static_cast<std::size_t>(height * W.cols)),
        square(static_cast<std::size_t>(height * height));
    std::fill_n(out.data, out.size, 0.0);
    for (int64_t from = 0; from < p; from += rows) {
        const int64_t count = std::min(rows, p - from);
        const Matrix<T> all{product.data(), count, W.cols, W.cols};
        for (int64_t i = 0; i < count; ++i)
            for (int64_t j = 0; j < count; ++j)
                square[i * count + j] = T(0.5) * (i >= j ? G.row(from + i)[from + j] : G.row(from + j)[from + i]);
        gemm<T>(cpu, false, false, T(1), {square.data(), count, count, count}, {W.row(from), count, W.cols, W.stride},
                T(0), all);
        if (from > 0)
            gemm<T>(cpu, false, false, T(1), {G.row(from), count, from, G.stride}, {W.data, from, W.cols, W.stride},
                    T(1), all);
        parallel_for(cpu.n_threads, W.cols, 1024, [&](int64_t first, int64_t last) {
            for (int64_t i = 0; i < count; ++i) {
                const T *w = W.row(from + i), *g = all.row(i);
                for (int64_t m = first / c; m * c < last; ++m) {  // one set of weights after the other, all with R
                    const T* r = R.row(from + i);
                    for (int64_t j = std::max(first, m * c); j < std::min(last, (m + 1) * c); ++j)
                        out[j] += 2.0 * static_cast<double>(w[j]) *
                                  (static_cast<double>(g[j]) - static_cast<double>(r[j - m * c]));
                }
            }
        });
    }
}

template void quadratic_errors(const Cpu&, Matrix<const float>, Matrix<const float>, Matrix<const float>,
                               Vector<double>);
template void quadratic_errors(const Cpu&, Matrix<const double>, Matrix<const double>, Matrix<const double>,
                               Vector<double>);
template void ridge_solve(const Cpu&, Matrix<float>, Vector<const float>, double, Matrix<float>);
template void ridge_solve(const Cpu&, Matrix<double>, Vector<const double>, double, Matrix<double>);
template double ridge_residual(const Cpu&, Matrix<const float>, Vector<const float>, const std::vector<double>&,
                               Matrix<const float>, Matrix<const float>, Vector<const int64_t>);
template double ridge_residual(const Cpu&, Matrix<const double>, Vector<const double>, const std::vector<double>&,
                               Matrix<const double>, Matrix<const double>, Vector<const int64_t>);

}  // namespace heschl

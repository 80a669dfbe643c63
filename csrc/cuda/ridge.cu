// Ridge by one Cholesky per alpha, as in cpu/ridge.cpp: X'X stays in one triangle, the factor goes into the other.
#include <cmath>
#include <limits>

#include "arrays.hpp"
#include "heschl/cuda.hpp"

namespace heschl {

template <class T>
void ridge_solve(const Cuda& cuda, Matrix<T> G, Vector<const T> diagonal, double alpha, Matrix<T> W) {
    const int64_t p = G.rows;
    require(G.cols == p && diagonal.size == p && W.rows == p, "ridge_solve: G (p, p), diagonal (p), W (p, c) differ");
    mirror_lower(cuda, G);
    for_each(cuda, p, [=] __device__(int64_t i) {
        G.data[i * G.stride + i] = static_cast<T>(static_cast<double>(diagonal.data[i]) + alpha);
    });
    cholesky_upper(cuda, G);
    solve_upper<T>(cuda, {G.data, p, p, G.stride}, W);
}

template <class T>
double ridge_residual(const Cuda& cuda, Matrix<const T> G, Vector<const T> diagonal, const std::vector<double>& alphas,
                      Matrix<const T> R, Matrix<const T> W, Vector<const int64_t> targets) {
    const int64_t p = G.rows, c = R.cols, count = targets.size;
    require(static_cast<int64_t>(alphas.size()) == count, "ridge_residual: an alpha for each target");
    require(G.cols == p && diagonal.size == p && R.rows == p && W.rows == p && W.cols == c,
            "ridge_residual: G (p, p), diagonal (p), R (p, c), W (p, c) differ");
    // G w from its lower triangle: what lies above a row's diagonal down its column, in stretches; what lies before it
    // along the row, in lanes. Both ways neighbouring threads read neighbours.
    constexpr int64_t stretch = 512, lanes = 32, most = 2;  // targets in one pass over G
    const int64_t parts = (p + stretch - 1) / stretch;
    const Buffer<double> column(cuda, most * parts * p), row(cuda, most * lanes * p), squares(cuda, 2 * most * p);
    const Buffer<double> sums(cuda, 2 * (count + count % most));  // of each target's residual, and of its right side
    const Buffer<double> gathered(cuda, most * p);  // their weights side by side: columns of W would be read in strides
    double *down = column.data(), *along = row.data(), *out = squares.data(), *w = gathered.data();
    for (int64_t i = 0; i < count; i += most) {
        const int64_t next = std::min(i + 1, count - 1), a = targets[i], b = targets[next];
        const double alpha = alphas[static_cast<std::size_t>(i)], other = alphas[static_cast<std::size_t>(next)];
        require(0 <= a && a < c && 0 <= b && b < c, "ridge_residual: a target is out of range");
        for_each(cuda, p, [=] __device__(int64_t r) {
            w[2 * r] = static_cast<double>(W.data[r * W.stride + a]);
            w[2 * r + 1] = static_cast<double>(W.data[r * W.stride + b]);
        });
        for_each(cuda, parts * p, [=] __device__(int64_t at) {
            const int64_t r = at % p, from = at / p * stretch, to = from + stretch < p ? from + stretch : p;
            double one = 0.0, two = 0.0;
            for (int64_t g = from > r ? from : r + 1; g < to; ++g) {
                const double value = static_cast<double>(G.data[g * G.stride + r]);
                one += value * w[2 * g];
                two += value * w[2 * g + 1];
            }
            down[2 * at] = one;
            down[2 * at + 1] = two;
        });
        for_each(cuda, lanes * p, [=] __device__(int64_t at) {
            const int64_t r = at / lanes;
            double one = 0.0, two = 0.0;
            for (int64_t g = at % lanes; g < r; g += lanes) {
                const double value = static_cast<double>(G.data[r * G.stride + g]);
                one += value * w[2 * g];
                two += value * w[2 * g + 1];
            }
            along[2 * at] = one;
            along[2 * at + 1] = two;
        });
        for_each(cuda, most * p, [=] __device__(int64_t at) {
            const int64_t r = at / 2, which = at % 2;
            const double right = static_cast<double>(R.data[r * R.stride + (which ? b : a)]);
            double left = (static_cast<double>(diagonal.data[r]) + (which ? other : alpha)) * w[at];
            for (int64_t part = 0; part < parts; ++part) left += down[2 * (part * p + r) + which];
            for (int64_t lane = 0; lane < lanes; ++lane) left += along[2 * (r * lanes + lane) + which];
            out[2 * at] = (left - right) * (left - right);
            out[2 * at + 1] = right * right;
        });
        column_sums(
            cuda, p, 2 * most, [=] __device__(int64_t r, int64_t j) { return out[2 * most * r + j]; },
            sums.data() + 2 * i);
    }
    double worst = 0.0;
    const std::vector<double> found = sums.read();
    for (std::size_t i = 0; i < found.size(); i += 2) {
        if (std::isnan(found[i])) return found[i];
        worst = std::max(worst, std::sqrt(found[i] / std::max(found[i + 1], 1e-300)));
    }
    return worst;
}

template <class T>
void quadratic_errors(const Cuda& cuda, Matrix<const T> G, Matrix<const T> R, Matrix<const T> W, Vector<double> out) {
    const int64_t p = G.rows, c = R.cols, sets = c > 0 ? W.cols / c : 0;
    require(G.cols == p && R.rows == p && W.rows == p && W.cols == sets * c && out.size == W.cols,
            "quadratic_errors: G (p, p), R (p, c), W (p, m c), out (m c) differ");
    if (W.cols == 0) return;
    const Buffer<T> product(cuda, p * W.cols);
    const Matrix<T> all = product.matrix(p, W.cols);
    symm_lower<T>(cuda, G, W, all);
    column_sums(
        cuda, p, W.cols,
        [=] __device__(int64_t i, int64_t j) {
            return static_cast<double>(W.data[i * W.stride + j]) *
                   (static_cast<double>(all.data[i * all.stride + j]) -
                    2.0 * static_cast<double>(R.data[i * R.stride + j % c]));
        },
        out.data);
}

template void ridge_solve(const Cuda&, Matrix<float>, Vector<const float>, double, Matrix<float>);
template void ridge_solve(const Cuda&, Matrix<double>, Vector<const double>, double, Matrix<double>);
template double ridge_residual(const Cuda&, Matrix<const float>, Vector<const float>, const std::vector<double>&,
                               Matrix<const float>, Matrix<const float>, Vector<const int64_t>);
template double ridge_residual(const Cuda&, Matrix<const double>, Vector<const double>, const std::vector<double>&,
                               Matrix<const double>, Matrix<const double>, Vector<const int64_t>);
template void quadratic_errors(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<const float>,
                               Vector<double>);
template void quadratic_errors(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<const double>,
                               Vector<double>);

}  // namespace heschl

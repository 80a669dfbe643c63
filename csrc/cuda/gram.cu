// From moments to normal equations, as in cpu/gram.cpp: products of edges, then running sums down the block diagonals
// fused with centring and scaling, one thread an element of a block diagonal.
#include <cmath>

#include "device.hpp"
#include "heschl/cuda.hpp"

namespace heschl {

template <class T>
void lagged_gram(const Cuda& cuda, Matrix<const T> first_column, Matrix<const T> leaving, Matrix<const T> entering,
                 Matrix<const double> pair_sums, Vector<const double> pair_counts, Standardisation how, Lags lags,
                 Matrix<T> G) {
    const int64_t d = first_column.cols, w = lags.count, p = w * d, inner = p - d;
    require(G.rows == p && G.cols == p && first_column.rows == p, "lagged_gram: G must be (p, p)");
    require(leaving.cols == p && entering.cols == p, "lagged_gram: leaving and entering must have p columns");
    require(pair_sums.rows == w * w && pair_counts.size == w * w, "lagged_gram: pair sums must be (w * w, d)");
    const bool edges = w > 1 && leaving.rows + entering.rows > 0;
    if (edges) {
        const Matrix<T> rest{G.row(d) + d, inner, inner, G.stride};
        if (leaving.rows > 0)
            syrk_lower<T>(cuda, T(-1), {leaving.data, leaving.rows, inner, leaving.stride}, T(0), rest);
        if (entering.rows > 0)
            syrk_lower<T>(cuda, T(1), {entering.data, entering.rows, inner, entering.stride},
                          leaving.rows > 0 ? T(1) : T(0), rest);
    }
    const double *q = how.offset.data, *s = how.scale.data, *counts = pair_counts.data, m = how.inverse_n;
    const double n = m > 0.0 ? std::round(1.0 / m) : 0.0;
    for_each(cuda, w * d * d, [=] __device__(int64_t at) {
        const int64_t apart = at / (d * d), f = at / d % d, g = at % d;
        if (apart == 0 && g > f) return;
        double running = static_cast<double>(first_column.data[(apart * d + f) * first_column.stride + g]);
        for (int64_t i = apart; i < w; ++i) {
            const int64_t j = i - apart;
            T* const entry = G.data + (i * d + f) * G.stride + j * d + g;
            if (j > 0 && edges) running += static_cast<double>(*entry);
            const double n_i = counts[i * w + i], n_j = counts[j * w + j], pairs = counts[i * w + j];
            const double k = n > 0.0 ? (pairs * n - n_i * n_j) / n : pairs;  // exactly 0 where a constant calls for it
            const double s_i = pair_sums.data[(i * w + i) * pair_sums.stride + f];
            const double s_j = pair_sums.data[(j * w + j) * pair_sums.stride + g];
            const double u_ij = pair_sums.data[(i * w + j) * pair_sums.stride + f];
            const double u_ji = pair_sums.data[(j * w + i) * pair_sums.stride + g];
            const double own = n_j == n ? 0.0 : u_ij - m * n_j * s_i, other = n_i == n ? 0.0 : u_ji - m * n_i * s_j;
            *entry = static_cast<T>(s[f] * s[g] * (running - m * s_i * s_j + (k * q[f] - own) * q[g] - q[f] * other));
        }
    });
}

template <class T>
void lagged_cross(const Cuda& cuda, Matrix<const T> cross, Matrix<const double> pair_sums,
                  Vector<const double> pair_counts, Matrix<const double> target_sums, Vector<const double> y_mean,
                  Standardisation how, Lags lags, Matrix<T> R) {
    const int64_t d = pair_sums.cols, w = lags.count, c = cross.cols;
    require(cross.rows == w * d && R.rows == w * d && R.cols == c, "lagged_cross: R must be (p, c)");
    require(target_sums.rows == w && target_sums.cols == c && y_mean.size == c, "lagged_cross: y_mean must be (c)");
    const double *q = how.offset.data, *s = how.scale.data, *mean = y_mean.data, *counts = pair_counts.data;
    const double n = how.inverse_n > 0.0 ? std::round(1.0 / how.inverse_n) : 0.0;
    for_each(cuda, w * d * c, [=] __device__(int64_t at) {
        const int64_t r = at / c, j = at % c, i = r / d, f = r % d, own = i * w + i;
        const double sum = pair_sums.data[own * pair_sums.stride + f], v = target_sums.data[i * target_sums.stride + j];
        R.data[r * R.stride + j] =
            static_cast<T>(s[f] * (static_cast<double>(cross.data[r * cross.stride + j]) - sum * mean[j] -
                                   (counts[own] == n ? 0.0 : q[f] * (v - counts[own] * mean[j]))));
    });
}

template void lagged_gram(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<const float>,
                          Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<float>);
template void lagged_gram(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<const double>,
                          Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<double>);
template void lagged_cross(const Cuda&, Matrix<const float>, Matrix<const double>, Vector<const double>,
                           Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<float>);
template void lagged_cross(const Cuda&, Matrix<const double>, Matrix<const double>, Vector<const double>,
                           Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<double>);

}  // namespace heschl

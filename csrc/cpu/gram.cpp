// From moments to normal equations. With B_ij = sum_t h'(t - l_i) h'(t - l_j)' (block i, j of X'X),
//     B_(i+1)(j+1) = B_ij - leaving_i leaving_j' + entering_i entering_j'  (summed over ranges)
// because shifting both lags by one frame moves the window of the sum by one frame.
#include <cmath>

#include "heschl/kernels.hpp"
#include "parallel.hpp"

namespace heschl {
namespace {

// B's lower triangle from its first block column: edge products first, then running sums down the block diagonals.
template <class T>
void assemble(const Cpu& cpu, Matrix<const T> first_column, Matrix<const T> leaving, Matrix<const T> entering,
              int64_t w, Matrix<T> B) {
    const int64_t d = first_column.cols, p = w * d, inner = p - d;
    if (w > 1) {
        const Matrix<T> rest{B.row(d) + d, inner, inner, B.stride};
        syrk_lower<T>(cpu, T(-1), {leaving.data, leaving.rows, inner, leaving.stride}, T(0), rest);
        if (entering.rows > 0)
            syrk_lower<T>(cpu, T(1), {entering.data, entering.rows, inner, entering.stride}, T(1), rest);
    }
    for (int64_t r = 0; r < p; ++r) std::copy_n(first_column.row(r), std::min(d, r + 1), B.row(r));
    // A running sum stays at one feature f of the block columns: threads share the features.
    const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 19) / (p * w));
    parallel_for(cpu.n_threads, d, grain, [&](int64_t first, int64_t last) {
        for (int64_t r = d; r < p; ++r)
            for (int64_t block = d; block <= r; block += d) {
                const T* before = B.row(r - d) + block - d;
                T* row = B.row(r) + block;
                for (int64_t f = first; f < std::min(last, r - block + 1); ++f) row[f] += before[f];
            }
    });
}

// s_i = sum_t h'(t - l_i) and n_i, the diagonal of the pair sums.
struct LagSums {
    Matrix<const double> pair_sums;
    Vector<const double> pair_counts;
    int64_t w;

    const double* pair(int64_t i, int64_t j) const { return pair_sums.row(i * w + j); }
    const double* sum(int64_t i) const { return pair(i, i); }
    double count(int64_t i, int64_t j) const { return pair_counts[i * w + j]; }
    double count(int64_t i) const { return count(i, i); }
};

}  // namespace

template <class T>
void lagged_gram(const Cpu& cpu, Matrix<const T> first_column, Matrix<const T> leaving, Matrix<const T> entering,
                 Matrix<const double> pair_sums, Vector<const double> pair_counts, Standardisation how, Lags lags,
                 Matrix<T> G) {
    const int64_t d = first_column.cols, w = lags.count, p = w * d;
    require(G.rows == p && G.cols == p && first_column.rows == p, "lagged_gram: G must be (p, p)");
    require(leaving.cols == p && entering.cols == p, "lagged_gram: leaving and entering must have p columns");
    require(pair_sums.rows == w * w && pair_counts.size == w * w, "lagged_gram: pair sums must be (w * w, d)");
    assemble(cpu, first_column, leaving, entering, w, G);

    // With q = offset, s = scale, m = 1/n (0: not centred):
    //   G_ij = s [B_ij - m s_i s_j' - r_ij q' - q r_ji' + k_ij q q'] s,
    //   r_ij = u_ij - m n_j s_i,  k_ij = n_ij - m n_i n_j: small differences of large numbers, hence in double.
    // Where lag j sees a frame at every row, r_ij is 0: left to rounding, a large mean would multiply it.
    const LagSums sums{pair_sums, pair_counts, w};
    const double *q = how.offset.data, *s = how.scale.data, m = how.inverse_n;
    const double n = m > 0.0 ? std::round(1.0 / m) : 0.0;
    parallel_for(
        cpu.n_threads, w, std::max<int64_t>(1, (int64_t{1} << 18) / (d * p)), [&](int64_t first, int64_t last) {
            std::vector<double> other(static_cast<std::size_t>(d));
            for (int64_t i = first; i < last; ++i)
                for (int64_t j = 0; j <= i; ++j) {
                    const double *u_ij = sums.pair(i, j), *u_ji = sums.pair(j, i);
                    const double *s_i = sums.sum(i), *s_j = sums.sum(j);
                    // Counts are whole: k is exactly 0 where a constant feature calls for it.
                    const double pairs = sums.count(i, j);
                    const double k = n > 0.0 ? (pairs * n - sums.count(i) * sums.count(j)) / n : pairs;
                    const bool i_sees_all = sums.count(i) == n, j_sees_all = sums.count(j) == n;
                    for (int64_t g = 0; g < d; ++g) other[g] = i_sees_all ? 0.0 : u_ji[g] - m * sums.count(i) * s_j[g];
                    for (int64_t f = 0; f < d; ++f) {
                        T* row = G.row(i * d + f) + j * d;
                        const double own = j_sees_all ? 0.0 : u_ij[f] - m * sums.count(j) * s_i[f];
                        const double on_q = k * q[f] - own, on_sum = m * s_i[f], by = s[f];
                        const int64_t cols = i == j ? f + 1 : d;
                        for (int64_t g = 0; g < cols; ++g)
                            row[g] = static_cast<T>(
                                by * s[g] *
                                (static_cast<double>(row[g]) - on_sum * s_j[g] + on_q * q[g] - q[f] * other[g]));
                    }
                }
        });
}

template <class T>
void lagged_cross(const Cpu& cpu, Matrix<const T> cross, Matrix<const double> pair_sums,
                  Vector<const double> pair_counts, Matrix<const double> target_sums, Vector<const double> y_mean,
                  Standardisation how, Lags lags, Matrix<T> R) {
    const int64_t d = pair_sums.cols, w = lags.count, c = cross.cols;
    require(cross.rows == w * d && R.rows == w * d && R.cols == c, "lagged_cross: R must be (p, c)");
    require(target_sums.rows == w && target_sums.cols == c && y_mean.size == c, "lagged_cross: y_mean must be (c)");
    // R_i = s [(X'Y)_i - s_i y_mean' - q (v_i - n_i y_mean)'],  v_i = target_sums; the last is 0 where n_i = n.
    const LagSums sums{pair_sums, pair_counts, w};
    const double n = how.inverse_n > 0.0 ? std::round(1.0 / how.inverse_n) : 0.0;
    parallel_for(cpu.n_threads, w * d, std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(1, c)),
                 [&](int64_t first, int64_t last) {
                     for (int64_t r = first; r < last; ++r) {
                         const int64_t i = r / d, f = r % d;
                         const double sum = sums.sum(i)[f], s = how.scale[f], n_i = sums.count(i);
                         const double q = n_i == n ? 0.0 : how.offset[f];
                         const double* v = target_sums.row(i);
                         for (int64_t j = 0; j < c; ++j)
                             R.row(r)[j] = static_cast<T>(s * (static_cast<double>(cross.row(r)[j]) - sum * y_mean[j] -
                                                               q * (v[j] - n_i * y_mean[j])));
                     }
                 });
}

template void lagged_gram(const Cpu&, Matrix<const float>, Matrix<const float>, Matrix<const float>,
                          Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<float>);
template void lagged_gram(const Cpu&, Matrix<const double>, Matrix<const double>, Matrix<const double>,
                          Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<double>);
template void lagged_cross(const Cpu&, Matrix<const float>, Matrix<const double>, Vector<const double>,
                           Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<float>);
template void lagged_cross(const Cpu&, Matrix<const double>, Matrix<const double>, Vector<const double>,
                           Matrix<const double>, Vector<const double>, Standardisation, Lags, Matrix<double>);

}  // namespace heschl

// The kernels, as free functions over views, device context first. Shapes stand beside every argument:
//   n frames, d features, c targets, w lags, p = w * d columns of the lagged design, s segments.
// Sign of the lag: X[t, k * d + f] = H[t - lags[k], f], and 0 where that frame lies outside t's segment.
#pragma once

#include "heschl/blas.hpp"
#include "heschl/view.hpp"

namespace heschl {

// The lagged design itself, for those who ask for it.
template <class T>
void lagged_design(const Cpu& cpu,
                   Matrix<const T> H,  // (n, d)
                   Segments segments,  // covers the n rows
                   Lags lags,
                   Matrix<T> X);  // (n, p), rows outside every segment are left alone

// Sums over the frames of some segments, from which X'X, X'Y and every centring of them follow (see gram.cpp).
// Primes: h' = H - shift, y' = Y - shift inside a segment; 0 outside. 1_i(t) = [t - lags[i] is in t's segment].
template <class T>
struct MomentViews {
    Matrix<T> first_column;  // (p, d)  sum_t h'(t - lags[i]) h'(t - lags[0])'
    Matrix<T> cross;         // (p, c)  sum_t h'(t - lags[i]) y'(t)'
    Matrix<T> edges;         // (s, p)  h'(end - 1 - lags[i]) for lags[i] >= 0, h'(begin - 1 - lags[i]) for lags[i] < 0
    Matrix<double> pair_sums;     // (w * w, d)  row i * w + j: sum_t 1_j(t) h'(t - lags[i])
    Vector<double> pair_counts;   // (w * w)     sum_t 1_i(t) 1_j(t)
    Matrix<double> target_sums;   // (w, c)      sum_t 1_i(t) y'(t)
    Matrix<double> feature_sums;  // (2, d)      sum h', sum h'^2
    Matrix<double> totals;        // (2, c)      sum y', sum y'^2
};

template <class T>
void lagged_moments(const Cpu& cpu,
                    Matrix<const T> H,        // (n, d)
                    Matrix<const T> Y,        // (n, c)
                    Vector<const T> h_shift,  // (d)
                    Vector<const T> y_shift,  // (c)
                    Segments segments, Lags lags,
                    MomentViews<T> out);  // added to, but for edges, which are written

// How moments are read: features (h - mean) * scale, padded with 0, `offset` = mean - h_shift;
// inverse_n = 1 / number of frames to centre the design (an intercept), 0 not to.
struct Standardisation {
    Vector<const double> offset;  // (d)
    Vector<const double> scale;   // (d), 0 for a constant feature
    double inverse_n = 0.0;
};

// Lower triangle of X'X (row-major) for the features so read.
template <class T>
void lagged_gram(const Cpu& cpu,
                 Matrix<const T> first_column,      // (p, d)
                 Matrix<const T> edges,             // (s, p)
                 Matrix<const double> pair_sums,    // (w * w, d)
                 Vector<const double> pair_counts,  // (w * w)
                 Standardisation how, Lags lags,
                 Matrix<T> G);  // (p, p)

// X'Y for the features so read, Y centred on its mean where inverse_n > 0.
template <class T>
void lagged_cross(const Cpu& cpu,
                  Matrix<const T> cross,             // (p, c)
                  Matrix<const double> pair_sums,    // (w * w, d)
                  Vector<const double> pair_counts,  // (w * w)
                  Matrix<const double> target_sums,  // (w, c)
                  Vector<const double> y_mean,  // (c)  of y' = Y - y_shift over the frames; 0 where nothing is centred
                  Standardisation how, Lags lags,
                  Matrix<T> R);  // (p, c)

// W = (G + alpha I)^-1 R by Cholesky. G's lower triangle is kept for the next alpha, the factor goes into the upper
// one, and the diagonal, which both need, is handed in beside it: p^2 numbers serve the whole path.
template <class T>
void ridge_solve(const Cpu& cpu,
                 Matrix<T> G,               // (p, p)
                 Vector<const T> diagonal,  // (p)  of G
                 double alpha,
                 Matrix<T> W);  // (p, c)  R on entry

// max over the listed targets of |(G + alpha I) w - r| / |r|, summed in double.
template <class T>
double ridge_residual(const Cpu& cpu,
                      Matrix<const T> G,         // (p, p)  lower triangle
                      Vector<const T> diagonal,  // (p)
                      double alpha,
                      Matrix<const T> R,  // (p, c)
                      Matrix<const T> W,  // (p, c)
                      Vector<const int64_t> targets);

// P[t] = sum_k (H[t - lags[k]] - h_shift) W_k + intercept, without a design; frames outside the segment count 0.
template <class T>
void lagged_predict(const Cpu& cpu,
                    Matrix<const T> H,        // (n, d)
                    Vector<const T> h_shift,  // (d)
                    Segments segments, Lags lags,
                    Matrix<const T> W,          // (p, c)
                    Vector<const T> intercept,  // (c)
                    Matrix<T> P);               // (n, c)

// The same prediction, never stored: only its sum of squared errors against Y on these segments.
template <class T>
void lagged_sse(const Cpu& cpu,
                Matrix<const T> H,        // (n, d)
                Matrix<const T> Y,        // (n, c)
                Vector<const T> h_shift,  // (d)
                Segments segments, Lags lags,
                Matrix<const T> W,          // (p, c)
                Vector<const T> intercept,  // (c)
                Vector<double> sse);        // (c)  written

}  // namespace heschl

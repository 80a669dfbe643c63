// The kernels, as free functions over views, device context first. Shapes stand beside every argument:
//   n frames, d features, c targets, w lags, p = w * d columns of the lagged design, r ranges of rows.
// Sign of the lag: X[t, k * d + f] = H[t - lags[k], f], and 0 where that frame lies outside the range's [low, high).
// Features come as Frames: dense, or run-length (a word's values through all of its frames), which are not expanded.
#pragma once

#include <vector>

#include "heschl/blas.hpp"
#include "heschl/view.hpp"

namespace heschl {

// The lagged design itself, for those who ask for it.
template <class T>
void lagged_design(const Cpu& cpu,
                   Frames<T> H,              // (n, d)
                   Vector<const T> h_shift,  // (d), subtracted inside [low, high)
                   Ranges ranges, Lags lags,
                   Matrix<T> X);  // (n_rows, p), the rows of the ranges in order

// What X'X is made of, over the rows of some ranges. Primes: h' = H - shift inside [low, high), 0 outside.
// 1_i(t) = [t - lags[i] is in [low, high)].
template <class T>
struct FeatureMoments {
    Matrix<T> first_column;      // (p, d)  sum_t h'(t - lags[i]) h'(t - lags[0])'
    Matrix<T> leaving;           // (r, p)  h'(end - 1 - lags[i])
    Matrix<T> entering;          // (r, p)  h'(begin - 1 - lags[i]); either may have no rows: then all are 0
    Matrix<double> pair_sums;    // (w * w, d)  row i * w + j: sum_t 1_j(t) h'(t - lags[i])
    Vector<double> pair_counts;  // (w * w)     sum_t 1_i(t) 1_j(t)
};

template <class T>
void lagged_moments(const Cpu& cpu,
                    Frames<T> H,              // (n, d)
                    Vector<const T> h_shift,  // (d)
                    Ranges ranges, Lags lags,
                    FeatureMoments<T> out);  // added to, but for leaving and entering, which are written

// The same between two sets of features: sum_t a'(t - lags[i]) b'(t - lags[0])'.
template <class T>
void lagged_pair(const Cpu& cpu,
                 Frames<T> A,              // (n, d_a)
                 Vector<const T> a_shift,  // (d_a)
                 Frames<T> B,              // (n, d_b)
                 Vector<const T> b_shift,  // (d_b)
                 Ranges ranges, Lags lags,
                 Matrix<T> first_column);  // (w * d_a, d_b)  added to

// What is multiplied with lagged features: themselves, other features, which are 0 outside [low, high), or responses of
// the rows.
enum class Product { itself, features, responses };

// What the sums above are made of: out += sum_t a'(t - lags[i]) b(t)', b(t) = b'(t - lags[0]) of features, b'(t) of
// responses. By one product of all frames for each lag, for features of any kind ...
template <class T>
void sum_by_lag(const Cpu& cpu,
                Frames<T> A,              // (n, d_a)
                Vector<const T> a_shift,  // (d_a)
                Frames<T> B,              // (n, d_b)  A once more for `itself`
                Vector<const T> b_shift,  // (d_b)
                Product product, Ranges ranges, Lags lags,
                Matrix<T> out);  // (w * d_a, d_b)

// ... or by one product of spectra for each frequency, for dense features: as exact, and up to 16 times cheaper.
template <class T>
void sum_by_frequency(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                      Product product, Ranges ranges, Lags lags, Matrix<T> out);

// Operations, in those of a large matrix product, of either way, on the CPU or a GPU; the kernels take the cheaper one.
struct SumOperations {
    double by_lag, by_frequency;
};
SumOperations sum_operations(Ranges ranges, Lags lags, int64_t d_a, int64_t d_b, Product product, bool on_gpu = false);

// X X' between the rows of some ranges of A and of B, for features as they are (frames outside [low, high) count 0).
template <class T>
void lagged_kernel(const Cpu& cpu,
                   Matrix<const T> A,  // (n_a, d)
                   Ranges a,
                   Matrix<const T> B,  // (n_b, d)
                   Ranges b, Lags lags,
                   Matrix<T> K);  // (rows of a, rows of b)  written

// What X'Y is made of; y' = Y - shift.
template <class T>
struct TargetMoments {
    Matrix<T> cross;             // (p, c)  sum_t h'(t - lags[i]) y'(t)'
    Matrix<double> target_sums;  // (w, c)  sum_t 1_i(t) y'(t)
    Matrix<double> totals;       // (2, c)  sum y', sum y'^2
};

template <class T>
void lagged_targets(const Cpu& cpu,
                    Frames<T> H,              // (n, d)
                    Vector<const T> h_shift,  // (d)
                    Matrix<const T> Y,        // (n, c)
                    Vector<const T> y_shift,  // (c)
                    Ranges ranges, Lags lags,
                    TargetMoments<T> out);  // added to

// Sums of the features over the rows of some ranges, and their least and greatest values in each, lags aside.
template <class T>
void feature_statistics(const Cpu& cpu,
                        Frames<T> H,              // (n, d)
                        Vector<const T> h_shift,  // (d)
                        Ranges ranges,
                        Matrix<double> sums,  // (2, d)  sum h', sum h'^2: added to
                        Matrix<T> extremes);  // (2 r, d)  least and greatest H of each range: written

// How moments are read: features (h - mean) * scale, padded with 0, `offset` = mean - h_shift;
// inverse_n = 1 / number of rows to centre the design (an intercept), 0 not to.
struct Standardisation {
    Vector<const double> offset;  // (d)
    Vector<const double> scale;   // (d), 0 for a constant feature
    double inverse_n = 0.0;
};

// Lower triangle of X'X (row-major) for the features so read.
template <class T>
void lagged_gram(const Cpu& cpu,
                 Matrix<const T> first_column,      // (p, d)
                 Matrix<const T> leaving,           // (any, p)
                 Matrix<const T> entering,          // (any, p)
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
                  Vector<const double> y_mean,  // (c)  of y' = Y - y_shift over the rows; 0 where nothing is centred
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

// E_f = (P_ff - less)^-1 A_f for each group f of rows, P = (U'U)^-1: with A = P Y the errors of each group predicted by
// the fit to all others. Groups are rows [starts(f), starts(f + 1)); `less` is subtracted from every entry of P.
template <class T>
void leave_out(const Cpu& cpu,
               Matrix<const T> U,             // (n, n)  upper triangle: the factor that ridge_solve leaves
               Vector<const int64_t> starts,  // (groups + 1)  from 0 to n
               double less,
               Matrix<const T> A,  // (n, c)
               Matrix<T> E);       // (n, c)  written

// max over the listed targets, each at an alpha of its own, of |(G + alpha I) w - r| / |r|, summed in double.
template <class T>
double ridge_residual(const Cpu& cpu,
                      Matrix<const T> G,         // (p, p)  lower triangle
                      Vector<const T> diagonal,  // (p)
                      const std::vector<double>& alphas,
                      Matrix<const T> R,  // (p, c)
                      Matrix<const T> W,  // (p, c)
                      Vector<const int64_t> targets);

// w'(G w - 2 r) of each column w of W, r its target's column of R, summed in double: with the sum of squares of centred
// responses, the squared error of a prediction, from the moments of the rows predicted.
template <class T>
void quadratic_errors(const Cpu& cpu,
                      Matrix<const T> G,    // (p, p)  lower triangle
                      Matrix<const T> R,    // (p, c)
                      Matrix<const T> W,    // (p, m c)  m sets of weights side by side
                      Vector<double> out);  // (m c)  written

// P[row] += sum_k (H[t - lags[k]] - h_shift) W_k, without a design; frames outside [low, high) count 0.
template <class T>
void lagged_predict(const Cpu& cpu,
                    Frames<T> H,              // (n, d)
                    Vector<const T> h_shift,  // (d)
                    Ranges ranges, Lags lags,
                    Matrix<const T> W,  // (p, c)
                    Matrix<T> P);       // (n_rows, c), the rows of the ranges in order

// Squared errors of such predictions plus an intercept, never stored, on the rows of the ranges.
template <class T>
void lagged_sse(const Cpu& cpu,
                Frames<T> H,              // (n, d)
                Matrix<const T> Y,        // (n, c)
                Vector<const T> h_shift,  // (d)
                Ranges ranges, Lags lags,
                Matrix<const T> W,          // (p, m c)  m sets of weights side by side
                Vector<const T> intercept,  // (m c)
                Vector<double> sse);        // (m c)  written

// Sums of responses and predictions over the rows of each fold, from which R^2, r and r^2 follow. Primes: y' = y -
// shift, p' = p - shift, in double. Threads share the targets, so a result does not depend on their number.
template <class T>
void score_sums(const Cpu& cpu,
                Matrix<const T> Y,             // (n, c)
                Matrix<const T> P,             // (n, c)
                Matrix<const int64_t> bounds,  // (s, 2)  rows [begin, end)
                Vector<const int64_t> fold,    // (s)     the fold each belongs to, 0 ... K - 1
                Matrix<const double> shift,    // (K * 2, c)  of y and of p
                Matrix<double> sums);          // (K * 6, c)  y', p', y'^2, p'^2, y' p', (y - p)^2: written

// Q = (X - mean) * factor U^-1, and Q'Q, in double throughout, each kept where it is given room; without U the rows
// themselves. Two calls, the second with the Cholesky factor that the first one's Gram matrix has, are CholeskyQR.
template <class T>
void whiten_rows(const Cpu& cpu,
                 Matrix<const T> X,            // (n, d)
                 Vector<const double> mean,    // (d)
                 Vector<const double> factor,  // (d)
                 Matrix<const double> U,       // (d, d)  upper triangle, or none
                 Matrix<T> Q,                  // (n, d)  written, or none
                 Matrix<double> gram);         // (d, d)  written, or none

// out = scale * op(A) op(B) + keep * out, by parts of the result: each thread calls BLAS, which is held at one thread.
template <class T>
void multiply(const Cpu& cpu, bool transpose_a, bool transpose_b, T scale,
              Matrix<const T> a,  // (m, k), transposed (k, m)
              Matrix<const T> b,  // (k, n), transposed (n, k)
              T keep,
              Matrix<T> out);  // (m, n)

// (A + iB)(x + iy) for each of f frequencies, by three real products each, in the precision of x and y.
template <class S, class T>
void complex_products(const Cpu& cpu,
                      Matrix<const S> middle,  // (f * r, d)  A; (f * d, r) where `transposed`
                      Matrix<const S> plus,    // A + B
                      Matrix<const S> minus,   // A - B, or none: the transpose of A + B of Hermitian blocks, r = d
                      bool transposed,         // of all three
                      int64_t frequencies,
                      Matrix<const T> V,  // (2 f * d, c)  x of all frequencies above y
                      T keep,             // what of the result's old values is kept
                      Matrix<T> out);     // (2 f * r, c)  real parts above imaginary ones

// The k largest singular values, falling, of each matrix M[edges(b) : edges(b + 1)], as roots of the eigenvalues of its
// smaller square; 0 beyond its smaller side. Those below 1e-8 of the largest are lost in rounding. Vectors are the left
// ones of a matrix with no more rows than columns, else the right ones.
void largest_singular(const Cpu& cpu,
                      Matrix<const double> M,       // (rows, cols)
                      Vector<const int64_t> edges,  // (count + 1)  from 0 to rows
                      int64_t k,
                      Matrix<double> values,    // (count, k)  written
                      Matrix<double> vectors);  // (count * k, the smaller side or more)  written, or none

}  // namespace heschl

// The kernels of heschl/kernels.hpp on a GPU: the same functions with another device in front. All views are of device
// memory but for Ranges, alphas and targets of ridge_residual, the edges of largest_singular, and bounds and fold of
// score_sums, which lie on the host. One template binds both (bindings/), so that they cannot drift apart.
#pragma once

#include "heschl/kernels.hpp"

namespace heschl {

class Cuda;  // csrc/cuda/device.hpp

template <class T>
void lagged_design(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<T> X);

template <class T>
void lagged_moments(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags,
                    FeatureMoments<T> out);

template <class T>
void lagged_pair(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                 Ranges ranges, Lags lags, Matrix<T> first_column);

template <class T>
void sum_by_lag(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                Product product, Ranges ranges, Lags lags, Matrix<T> out);

template <class T>
void sum_by_frequency(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                      Product product, Ranges ranges, Lags lags, Matrix<T> out);

template <class T>
void lagged_kernel(const Cuda& cuda, Matrix<const T> A, Ranges a, Matrix<const T> B, Ranges b, Lags lags, Matrix<T> K);

template <class T>
void lagged_targets(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Matrix<const T> Y, Vector<const T> y_shift,
                    Ranges ranges, Lags lags, TargetMoments<T> out);

template <class T>
void feature_statistics(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Matrix<double> sums,
                        Matrix<T> extremes);

template <class T>
void lagged_gram(const Cuda& cuda, Matrix<const T> first_column, Matrix<const T> leaving, Matrix<const T> entering,
                 Matrix<const double> pair_sums, Vector<const double> pair_counts, Standardisation how, Lags lags,
                 Matrix<T> G);

template <class T>
void lagged_cross(const Cuda& cuda, Matrix<const T> cross, Matrix<const double> pair_sums,
                  Vector<const double> pair_counts, Matrix<const double> target_sums, Vector<const double> y_mean,
                  Standardisation how, Lags lags, Matrix<T> R);

template <class T>
void ridge_solve(const Cuda& cuda, Matrix<T> G, Vector<const T> diagonal, double alpha, Matrix<T> W);

template <class T>
double ridge_residual(const Cuda& cuda, Matrix<const T> G, Vector<const T> diagonal, const std::vector<double>& alphas,
                      Matrix<const T> R, Matrix<const T> W, Vector<const int64_t> targets);

template <class T>
void quadratic_errors(const Cuda& cuda, Matrix<const T> G, Matrix<const T> R, Matrix<const T> W, Vector<double> out);

template <class T>
void lagged_predict(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<const T> W,
                    Matrix<T> P);

template <class T>
void lagged_sse(const Cuda& cuda, Frames<T> H, Matrix<const T> Y, Vector<const T> h_shift, Ranges ranges, Lags lags,
                Matrix<const T> W, Vector<const T> intercept, Vector<double> sse);

template <class T>
void score_sums(const Cuda& cuda, Matrix<const T> Y, Matrix<const T> P, Matrix<const int64_t> bounds,
                Vector<const int64_t> fold, Matrix<const double> shift, Matrix<double> sums);

template <class T>
void whiten_rows(const Cuda& cuda, Matrix<const T> X, Vector<const double> mean, Vector<const double> factor,
                 Matrix<const double> U, Matrix<T> Q, Matrix<double> gram);

template <class T>
void multiply(const Cuda& cuda, bool transpose_a, bool transpose_b, T scale, Matrix<const T> a, Matrix<const T> b,
              T keep, Matrix<T> out);

void largest_singular(const Cuda& cuda, Matrix<const double> M, Vector<const int64_t> edges, int64_t k,
                      Matrix<double> values, Matrix<double> vectors);

}  // namespace heschl

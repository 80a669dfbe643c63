// The few plain operations on device matrices that the Python layer needs between kernels.
#pragma once

#include <cstdint>

#include "device.hpp"
#include "halves.hpp"

namespace heschl {

// out[i, j] = data[i * row_step + j * column_step]: the array of another library, whatever the order of its memory.
template <class From, class To>
void gather(const Cuda& cuda, const From* data, int64_t row_step, int64_t column_step, Matrix<To> out);

// out (rows, cols) = in[rows[i], cols[j]]; all of a side where it names none. Indices are device memory.
template <class T>
void take(const Cuda& cuda, Matrix<const T> in, const int64_t* rows, const int64_t* cols, Matrix<T> out);

// out[:, cols[j]] = in[:, j].
template <class T>
void set_columns(const Cuda& cuda, Matrix<const T> in, const int64_t* cols, Matrix<T> out);

// out[j, f * n_lags + k] = in[k * d + f, j]: weights (n_lags * d, c) as each target has them.
template <class T>
void by_target(const Cuda& cuda, Matrix<const T> in, int64_t n_lags, Matrix<T> out);

// out = values, in the other's precision where they differ.
template <class From, class To>
void convert(const Cuda& cuda, Matrix<const From> in, Matrix<To> out);

// values += factor * other.
template <class T>
void add(const Cuda& cuda, T factor, Matrix<const T> other, Matrix<T> values);

// values[i, j] = values[i, j] * factor[i % factor.size] * across[j] + row[i] + column[j]; what is none is left out.
template <class T>
void scale_and_shift(const Cuda& cuda, Vector<const double> factor, Vector<const double> across,
                     Vector<const double> row, Vector<const double> column, Matrix<T> values);

// The lower triangle of a square matrix into its upper one.
template <class T>
void mirror_lower(const Cuda& cuda, Matrix<T> values);

// out[j] = sum_i weight[i] values[i, j], weights 1 where none are given.
template <class T>
void weighted_sums(const Cuda& cuda, Matrix<const T> values, Vector<const double> weight, Vector<double> out);

// out[i] = sum_j values[i, j].
template <class T>
void row_sums(const Cuda& cuda, Matrix<const T> values, Vector<double> out);

// out[i, j] = sum over t in [0, length) of y[begin + (t - shift) mod length, j] * prediction[begin + t, j], in double:
// row i of `shifts` (on the device) is begin, length and shift, 0 <= shift < length.
template <class T>
void shifted_products(const Cuda& cuda, Matrix<const T> y, Matrix<const T> prediction, Matrix<const int64_t> shifts,
                      Matrix<double> out);

// out[i * K + k, j] = sum over u in [first[k], first[k + 1]) of sums[rows[i, u], j], K = first.size - 1; rows and first
// are on the device.
void sums_of_groups(const Cuda& cuda, Matrix<const double> sums, Matrix<const int64_t> rows,
                    Vector<const int64_t> first, Matrix<double> out);

template <class T>
bool all_finite(const Cuda& cuda, const std::vector<Matrix<const T>>& all);

}  // namespace heschl

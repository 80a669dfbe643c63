// The few plain operations on device matrices that the Python layer needs between kernels.
#pragma once

#include "device.hpp"

namespace heschl {

// out (rows, cols) = in[rows[i], cols[j]]; all of a side where it names none. Indices are device memory.
template <class T>
void take(const Cuda& cuda, Matrix<const T> in, const int64_t* rows, const int64_t* cols, Matrix<T> out);

// out = values, in the other's precision where they differ.
template <class From, class To>
void convert(const Cuda& cuda, Matrix<const From> in, Matrix<To> out);

// values += factor * other.
template <class T>
void add(const Cuda& cuda, T factor, Matrix<const T> other, Matrix<T> values);

// values[i, j] = values[i, j] * factor[i % factor.size] + row[i] + column[j]; what is none leaves its term out.
template <class T>
void scale_and_shift(const Cuda& cuda, Vector<const double> factor, Vector<const double> row,
                     Vector<const double> column, Matrix<T> values);

// out[j] = sum_i weight[i] values[i, j], weights 1 where none are given.
template <class T>
void weighted_sums(const Cuda& cuda, Matrix<const T> values, Vector<const double> weight, Vector<double> out);

// out[i] = sum_j values[i, j].
template <class T>
void row_sums(const Cuda& cuda, Matrix<const T> values, Vector<double> out);

template <class T>
bool all_finite(const Cuda& cuda, Matrix<const T> values);

// Row start + s of out: sum over the frames t of a unit of y(t - s) p(t), circularly, in double; units are rows
// [start, start + length) and cover all of them. Directly: length operations each, no transform.
template <class T>
void circular_sums(const Cuda& cuda, Matrix<const T> y, Matrix<const T> p, Matrix<const int64_t> units,
                   Matrix<double> out);

// Row i * K + k of out: sum over the units u of fold k, first(k) <= u < first(k + 1), of row rows(i, u) of sums.
// `units`, `rows` and `first` lie on the host.
void gathered_sums(const Cuda& cuda, Matrix<const double> sums, Matrix<const int64_t> rows, Vector<const int64_t> first,
                   Matrix<double> out);

}  // namespace heschl

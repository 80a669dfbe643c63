// NumPy arrays as the core's views: dtype and layout checks, no copies.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "heschl/view.hpp"
#include "scipy_blas.hpp"

namespace heschl::bindings {
namespace py = pybind11;

template <class T>
using Array = py::array_t<T>;

inline auto strict(const char* name) { return py::arg(name).noconvert(); }

// Input (const) or output views of NumPy arrays; a wrong layout is an error, never a copy.
template <class T>
Matrix<const T> in2(const Array<T>& array) {
    const auto item = static_cast<py::ssize_t>(sizeof(T));
    require(array.ndim() == 2, "expected a 2-D array");
    if (array.size() == 0) return {array.data(), array.shape(0), array.shape(1), array.shape(1)};
    require(array.shape(1) <= 1 || array.strides(1) == item, "expected rows that are contiguous in memory");
    require(array.shape(0) <= 1 || (array.strides(0) >= array.shape(1) * item && array.strides(0) % item == 0),
            "expected rows in ascending memory order that do not overlap");
    const py::ssize_t stride = array.shape(0) <= 1 ? array.shape(1) : array.strides(0) / item;
    return {array.data(), array.shape(0), array.shape(1), stride};
}

template <class T>
Matrix<T> out2(Array<T>& array) {
    const Matrix<const T> view = in2<T>(array);
    return {array.mutable_data(), view.rows, view.cols, view.stride};  // mutable_data() refuses a read-only array
}

template <class T>
Vector<const T> in1(const Array<T>& array) {
    require(array.ndim() == 1 && (array.size() <= 1 || array.strides(0) == static_cast<py::ssize_t>(sizeof(T))),
            "expected a contiguous 1-D array");
    return {array.data(), array.size()};
}

template <class T>
Vector<T> out1(Array<T>& array) {
    const Vector<const T> view = in1<T>(array);
    return {array.mutable_data(), view.size};
}

// Dense features, or run-length ones where `run` names the row of each frame.
template <class T>
Frames<T> frames_of(const Array<T>& values, const std::optional<Array<int64_t>>& run) {
    const Matrix<const T> view = in2<T>(values);
    if (!run) return {view, nullptr, view.rows};
    const Vector<const int64_t> rows = in1<int64_t>(*run);
    for (int64_t t = 0; t < rows.size; ++t)
        require(rows[t] >= 0 && rows[t] < view.rows, "expected runs that name rows of the values");
    return {view, rows.data, rows.size};
}

inline Ranges ranges_of(const Array<int64_t>& bounds, int64_t n) {
    const Matrix<const int64_t> view = in2<int64_t>(bounds);
    require(view.cols == 4 && view.stride == 4, "expected ranges as a contiguous (r, 4) array");
    const Ranges ranges{view.data, view.rows};
    for (int64_t r = 0; r < ranges.count; ++r)
        require(0 <= ranges.low(r) && ranges.low(r) <= ranges.begin(r) && ranges.begin(r) < ranges.end(r) &&
                    ranges.end(r) <= ranges.high(r) && ranges.high(r) <= n,
                "expected ranges 0 <= low <= begin < end <= high <= n");
    return ranges;
}

inline Lags lags_of(int64_t first, int64_t count) {
    require(count > 0, "expected at least one lag");
    return {first, count};
}

// Where kernels run, for templates over the device: its arrays, and what a call hands over to say where.
struct OnCpu {
    template <class T>
    using Array = bindings::Array<T>;
    using Handle = int64_t;
    static constexpr const char* handle_name = "n_threads";

    static Cpu context(int64_t n_threads) {
        Cpu cpu = scipy_blas();
        cpu.n_threads = n_threads;
        return cpu;
    }
};

}  // namespace heschl::bindings

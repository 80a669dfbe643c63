// Matrices that multiply others by tensor cores, split into halves once.
#pragma once

#include "../cuda/products.hpp"
#include "device_arrays.hpp"
#include "moments.hpp"

namespace heschl::bindings {

// A matrix that multiplies others by tensor cores, split once.
struct SplitMatrix {
    std::shared_ptr<Cuda> cuda;
    int64_t rows, cols;
    SplitRoom room;

    static std::unique_ptr<SplitMatrix> of(const DeviceArray<float>& array, bool by_column) {
        py::gil_scoped_release unlocked;
        const Each each = by_column ? Each::column : Each::row;
        return std::unique_ptr<SplitMatrix>(
            new SplitMatrix{array.cuda, array.rows, array.cols, SplitRoom(*array.cuda, array.read(), each)});
    }
    DeviceArray<float> times(const DeviceArray<float>& V) const {
        require(V.rows == cols, "times: inner sizes differ");
        py::gil_scoped_release unlocked;
        auto out = new_array<float>(cuda, rows, V.cols, 2);
        const SplitRoom right(*cuda, V.read(), Each::column);
        multiply_split(*cuda, false, room.view(), right.view(), out.view());
        return out;
    }
    // A' B, both split by columns.
    DeviceArray<float> crossed(const SplitMatrix& other) const {
        require(rows == other.rows && rows > 0, "crossed: two matrices of as many rows");
        py::gil_scoped_release unlocked;
        auto out = new_array<float>(cuda, cols, other.cols, 2);
        multiply_split(*cuda, true, room.view(), other.room.view(), out.view());
        return out;
    }
};

// The design of some rows likewise.
struct SplitRows {
    std::shared_ptr<Cuda> cuda;
    SplitDesign design;

    static std::unique_ptr<SplitRows> of(const DeviceArray<float>& H, const std::optional<DeviceArray<int64_t>>& run,
                                         const DeviceArray<float>& shift, const Array<int64_t>& ranges, int64_t first,
                                         int64_t count) {
        const auto frames = frames_of<float>(H, run);
        const Ranges rows = ranges_of(ranges, frames.count);
        const Lags lags = lags_of(first, count);
        py::gil_scoped_release unlocked;
        return std::unique_ptr<SplitRows>(new SplitRows{H.cuda, SplitDesign(*H.cuda, frames, in1(shift), rows, lags)});
    }
    DeviceArray<float> times(const DeviceArray<float>& V) const {
        py::gil_scoped_release unlocked;
        auto out = new_array<float>(cuda, design.rows(), V.cols, 2);
        design.multiply(*cuda, V.read(), out.view());
        return out;
    }
};

inline void bind_split(py::module_& m) {
    py::class_<SplitMatrix>(m, "SplitMatrix")
        .def_static("of", &SplitMatrix::of, py::arg("array"), py::arg("by_column"))
        .def("times", &SplitMatrix::times, py::arg("V"))
        .def("crossed", &SplitMatrix::crossed, py::arg("other"));
    py::class_<SplitRows>(m, "SplitRows")
        .def_static("of", &SplitRows::of, strict("H"), strict("run"), strict("h_shift"), strict("ranges"),
                    py::arg("first_lag"), py::arg("n_lags"))
        .def("times", &SplitRows::times, py::arg("V"));
}

}  // namespace heschl::bindings

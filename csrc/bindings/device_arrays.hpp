// Device memory as Python holds it: shaped, shared by its views, and kept with the device it lies on.
#pragma once

#include "../cuda/device.hpp"
#include "arrays.hpp"
#include "heschl/cuda.hpp"

namespace heschl::bindings {

// (rows, cols); (rows) with one column and one dimension; or, to be read and handed on but not computed with,
// (rows, cols / last, last) with three. Rows lie `stride` elements apart.
template <class T>
struct DeviceArray {
    std::shared_ptr<Cuda> cuda;
    std::shared_ptr<void> owner;
    T* data = nullptr;
    int64_t rows = 0, cols = 1, stride = 1;
    int ndim = 2;
    int64_t last = 1;

    std::vector<int64_t> shape() const {
        if (ndim == 1) return {rows};
        if (ndim == 2) return {rows, cols};
        return {rows, cols / last, last};
    }
    Matrix<T> view() const { return {data, rows, cols, stride}; }
    Matrix<const T> read() const { return {data, rows, cols, stride}; }
    bool contiguous() const { return stride == cols || rows <= 1; }
};

template <class T>
DeviceArray<T> owned(const std::shared_ptr<Cuda>& cuda, void* memory, int64_t rows, int64_t cols, int ndim) {
    std::shared_ptr<void> owner(memory, [cuda](void* own) { cuda->release(own); });
    return {cuda, owner, static_cast<T*>(memory), rows, cols, cols, ndim};
}

template <class T>
DeviceArray<T> new_array(const std::shared_ptr<Cuda>& cuda, int64_t rows, int64_t cols, int ndim) {
    const auto bytes = static_cast<std::size_t>(std::max<int64_t>(1, rows * cols)) * sizeof(T);
    return owned<T>(cuda, cuda->allocate(bytes), rows, cols, ndim);
}

template <class T>
Matrix<const T> in2(const DeviceArray<T>& array) {
    require(array.ndim == 2, "expected a 2-D array");
    return array.read();
}

template <class T>
Matrix<T> out2(const DeviceArray<T>& array) {
    require(array.ndim == 2, "expected a 2-D array");
    return array.view();
}

template <class T>
Vector<const T> in1(const DeviceArray<T>& array) {
    require(array.ndim == 1, "expected a contiguous 1-D array");
    return {array.data, array.rows};
}

template <class T>
Vector<T> out1(const DeviceArray<T>& array) {
    require(array.ndim == 1, "expected a contiguous 1-D array");
    return {array.data, array.rows};
}

// Runs are checked where they are made, on the host.
template <class T>
Frames<T> frames_of(const DeviceArray<T>& values, const std::optional<DeviceArray<int64_t>>& run) {
    const Matrix<const T> view = in2(values);
    if (!run) return {view, nullptr, view.rows};
    const Vector<const int64_t> rows = in1(*run);
    return {view, rows.data, rows.size};
}

struct OnCuda {
    template <class T>
    using Array = DeviceArray<T>;
    using Handle = const Cuda&;
    static constexpr const char* handle_name = "context";

    static const Cuda& context(const Cuda& cuda) { return cuda; }
};

}  // namespace heschl::bindings

// DLPack (github.com/dmlc/dlpack, version 0 of its capsules): arrays of other libraries, where they lie.
#pragma once

#include "../cuda/arrays.hpp"
#include "device_arrays.hpp"

namespace heschl::bindings {

struct DlTensor {
    void* data;
    std::int32_t device_type, device_id;
    std::int32_t ndim;
    std::uint8_t type_code, type_bits;
    std::uint16_t type_lanes;
    std::int64_t *shape, *strides;
    std::uint64_t byte_offset;
};

struct DlManaged {
    DlTensor tensor;
    void* context;
    void (*deleter)(DlManaged*);
};

constexpr std::int32_t dl_host = 1, dl_cuda = 2, dl_managed = 13;  // the last is memory that CUDA moves
#ifdef HESCHL_EMULATED
constexpr std::int32_t dl_here = dl_host;
#else
constexpr std::int32_t dl_here = dl_cuda;
#endif
constexpr std::uint8_t dl_int = 0, dl_float = 2, dl_bfloat = 4;

// Waits for all work of the device, this stream's and others'. A broken device has nothing at work.
inline void finish(const Cuda& cuda) noexcept {
    try {
        cuda.synchronize_all();
    } catch (const Error&) {
    }
}

// The array of a capsule, which is used up: on its memory where that holds numbers of our types in rows that are
// contiguous and do not overlap, else (columns of a larger array, transposed ones, numbers of 16 bits) a copy.
template <class From, class T>
DeviceArray<T> adopt(const std::shared_ptr<Cuda>& cuda, DlManaged* managed) {
    const DlTensor& tensor = managed->tensor;
    const std::shared_ptr<void> owner(managed, [cuda](void* pointer) {
        finish(*cuda);  // what reads it here: its library may hand the memory out again at once
        auto* const own = static_cast<DlManaged*>(pointer);
        if (own->deleter) own->deleter(own);
    });
    const int64_t rows = tensor.shape[0], cols = tensor.ndim == 2 ? tensor.shape[1] : 1;
    int64_t row_step = cols, column_step = 1;
    if (tensor.strides && rows * cols > 0) {
        if (rows > 1) row_step = tensor.strides[0];
        if (cols > 1) column_step = tensor.strides[1];
    }
    auto* const data = reinterpret_cast<From*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
    // One axis has room for no step between its numbers.
    const bool as_it_lies = column_step == 1 && row_step >= cols && (tensor.ndim == 2 || row_step == 1);
    if constexpr (std::is_same_v<From, T>)
        if (as_it_lies) return {cuda, owner, data, rows, cols, row_step, tensor.ndim};
    DeviceArray<T> out = new_array<T>(cuda, rows, cols, tensor.ndim);
    gather<From, T>(*cuda, data, row_step, column_step, out.view());
    return out;
}

inline py::object from_dlpack(const std::shared_ptr<Cuda>& cuda, const py::capsule& capsule) {
    require(PyCapsule_IsValid(capsule.ptr(), "dltensor") != 0, "expected an unused DLPack capsule");
    auto* const managed = capsule.get_pointer<DlManaged>();
    const DlTensor& tensor = managed->tensor;
    require(tensor.ndim == 1 || tensor.ndim == 2, "expected a 1-D or 2-D array");
    require(tensor.type_lanes == 1, "expected plain numbers");
    const int64_t rows = tensor.shape ? tensor.shape[0] : -1,
                  cols = rows >= 0 && tensor.ndim == 2 ? tensor.shape[1] : 1;
    require(rows >= 0 && cols >= 0 && (cols == 0 || rows <= (int64_t{1} << 48) / cols), "expected a shape");
    require(tensor.data || rows * cols == 0, "expected numbers");
    require((tensor.device_type == dl_here || tensor.device_type == dl_managed) && tensor.device_id == cuda->device,
            ("expected an array on GPU " + std::to_string(cuda->device) +
             ", where heschl works: move it there, or let CUDA_VISIBLE_DEVICES name its GPU alone")
                .c_str());
    const auto is = [&](std::uint8_t code, int bits) { return tensor.type_code == code && tensor.type_bits == bits; };
    require(is(dl_float, 64) || is(dl_float, 32) || is(dl_float, 16) || is(dl_bfloat, 16),
            "expected float64, float32, float16 or bfloat16");
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    if (is(dl_float, 64)) return py::cast(adopt<double, double>(cuda, managed));
    if (is(dl_float, 32)) return py::cast(adopt<float, float>(cuda, managed));
    if (is(dl_float, 16)) return py::cast(adopt<Half, float>(cuda, managed));
    return py::cast(adopt<BFloat, float>(cuda, managed));
}

template <class T>
py::capsule to_dlpack(const DeviceArray<T>& array) {
    struct Held {
        DlManaged managed;
        DeviceArray<T> array;
        int64_t shape[3], strides[3];
    };
    array.cuda->synchronize();  // whoever reads it need not know our stream
    auto* const held =
        new Held{{}, array, {}, {array.ndim == 1 ? 1 : array.stride, array.ndim == 2 ? 1 : array.last, 1}};
    std::ranges::copy(array.shape(), held->shape);
    held->managed.tensor = {
        array.data,    dl_here, array.cuda->device, array.ndim,    std::is_integral_v<T> ? dl_int : dl_float,
        sizeof(T) * 8, 1,       held->shape,        held->strides, 0};
    held->managed.context = held;
    held->managed.deleter = [](DlManaged* own) {
        auto* const done = static_cast<Held*>(own->context);
        finish(*done->array.cuda);  // its reader's stream may still be at work on it
        delete done;
    };
    return py::capsule(&held->managed, "dltensor", [](PyObject* object) {
        if (PyCapsule_IsValid(object, "dltensor") == 0) return;  // used: its new owner deletes it
        auto* const own = static_cast<DlManaged*>(PyCapsule_GetPointer(object, "dltensor"));
        own->deleter(own);
    });
}

}  // namespace heschl::bindings

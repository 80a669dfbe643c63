// DLPack (github.com/dmlc/dlpack, version 0 of its capsules): arrays of other libraries, where they lie.
#pragma once

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

constexpr std::int32_t dl_host = 1, dl_cuda = 2;
#ifdef HESCHL_EMULATED
constexpr std::int32_t dl_here = dl_host;
#else
constexpr std::int32_t dl_here = dl_cuda;
#endif
constexpr std::uint8_t dl_int = 0, dl_float = 2;

// Waits for all work of the device, this stream's and others'. A broken device has nothing at work.
inline void finish(const Cuda& cuda) noexcept {
    try {
        cuda.synchronize_all();
    } catch (const Error&) {
    }
}

// An array on the memory of a capsule, which is used up; rows must be contiguous.
template <class T>
DeviceArray<T> adopt(const std::shared_ptr<Cuda>& cuda, DlManaged* managed) {
    const DlTensor& tensor = managed->tensor;
    const std::shared_ptr<void> owner(managed, [cuda](void* pointer) {
        finish(*cuda);  // what reads it here: its library may hand the memory out again at once
        auto* const own = static_cast<DlManaged*>(pointer);
        if (own->deleter) own->deleter(own);
    });
    const int64_t rows = tensor.shape[0], cols = tensor.ndim == 2 ? tensor.shape[1] : 1;
    int64_t stride = cols;
    if (tensor.strides && rows * cols > 0) {
        require(tensor.ndim == 1 ? tensor.strides[0] == 1 || rows == 1 : tensor.strides[1] == 1 || cols == 1,
                "expected rows that are contiguous in device memory; make the array contiguous first");
        if (tensor.ndim == 2 && rows > 1) stride = tensor.strides[0];
        require(stride >= cols, "expected rows in ascending memory order that do not overlap");
    }
    auto* const data = reinterpret_cast<T*>(static_cast<char*>(tensor.data) + tensor.byte_offset);
    return {cuda, owner, data, rows, cols, stride, tensor.ndim};
}

inline py::object from_dlpack(const std::shared_ptr<Cuda>& cuda, const py::capsule& capsule) {
    require(std::string_view(capsule.name()) == "dltensor", "expected an unused DLPack capsule");
    auto* const managed = capsule.get_pointer<DlManaged>();
    const DlTensor& tensor = managed->tensor;
    require(tensor.ndim == 1 || tensor.ndim == 2, "expected a 1-D or 2-D array");
    require(tensor.type_lanes == 1, "expected plain numbers");
    require(tensor.device_type == dl_here && tensor.device_id == cuda->device,
            ("expected an array on GPU " + std::to_string(cuda->device) +
             ", where heschl works: move it there, or let CUDA_VISIBLE_DEVICES name its GPU alone")
                .c_str());
    const bool single = tensor.type_code == dl_float && tensor.type_bits == 32;
    const bool twice = tensor.type_code == dl_float && tensor.type_bits == 64;
    require(single || twice, "expected float32 or float64");
    PyCapsule_SetName(capsule.ptr(), "used_dltensor");
    if (single) return py::cast(adopt<float>(cuda, managed));
    return py::cast(adopt<double>(cuda, managed));
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

// The GPU as a kernel sees it: memory, products, factorisations, and a function run for each of many indices.
// For tests on machines without a GPU all of csrc/cuda is built as plain C++ on emulated/: CUDA's interface, and that
// of its libraries, on host memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "halves.hpp"
#include "heschl/error.hpp"
#include "heschl/view.hpp"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#endif
#ifdef HESCHL_EMULATED
#include "emulated/runtime.hpp"
#endif

namespace heschl {

// What blocks of rows, of products, of Gram matrices take at a time, from what size an array of the host is sent ahead
// of the work that waits, and how much freed memory stays where no fit is at work; tests on the emulation have several
// blocks, such arrays, and more memory, too.
#ifdef HESCHL_EMULATED
constexpr int64_t block_bytes = int64_t{1} << 12, ahead_bytes = int64_t{1} << 10, kept_bytes = int64_t{1} << 12;
#else
constexpr int64_t block_bytes = int64_t{256} << 20, ahead_bytes = int64_t{1} << 20, kept_bytes = int64_t{256} << 20;
#endif

// A device, a stream on it, and what the libraries need to work there. Threads may share it: all work is in the order
// of the one stream, and what is not (staging memory, library handles) is used by one at a time.
class Cuda {
 public:
    struct State;

    explicit Cuda(int device, bool tf32);
    ~Cuda();
    Cuda(const Cuda&) = delete;
    Cuda& operator=(const Cuda&) = delete;

    void* allocate(std::size_t bytes) const;  // throws Error(out_of_memory)
    // Memory filled from the host on a stream of its own, while this one works; what comes after here sees it filled.
    // One at a time: a small array in the middle of a fit goes by copy_in, and does not wait for a large one.
    void* upload(const void* host, std::size_t bytes) const;
    void release(void* memory) const noexcept;
    void copy_in(void* to, const void* host, std::size_t bytes) const;  // in order; done with `host` on return
    void copy_out(void* host, const void* from, std::size_t bytes) const;
    void copy(void* to, const void* from, std::size_t bytes) const;  // within the device
    void clear(void* memory, std::size_t bytes) const;
    void keep(std::vector<char> host) const;  // memory of the host, until the stream has come past its use
    void synchronize() const;
    void synchronize_all() const;  // other streams of the device, too
    void memory(std::size_t& free, std::size_t& total) const;
    std::size_t in_use() const;  // bytes of this device that are allocated here
    // Between these, which come in pairs, freed memory stays for the next step of a fit. Else all but a little goes
    // back to the device as soon as somebody waits for it, also what is freed later: what an exception holds, say.
    void hold() const;
    void let_go() const;
    void* stream() const;
    State& state() const { return *state_; }

    const int device;
    const bool tf32;  // float32 products with data (gemm) of 10-bit mantissas; sums and solves stay as they are

 private:
    std::unique_ptr<State> state_;
};

// Makes the device the calling thread's current one, as CUDA asks of whoever uses its streams, for as long as it lives.
class OnDevice {
 public:
    explicit OnDevice(const Cuda& cuda);
    ~OnDevice();
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

 private:
    int before_ = 0;
};

// How many devices there are; throws Error(device) with the driver's reason where none can be had. And their names.
int device_count();
std::string device_name(int device);

// Throws where the last launch failed.
void check_launch();

#ifdef __CUDACC__
template <class Body>
__global__ void run_each(int64_t count, Body body) {
    const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) body(i);
}
#endif

// body(i) for each i in [0, count), in any order. Neighbouring i are neighbouring threads: let them read neighbours.
template <class Body>
void for_each(const Cuda& cuda, int64_t count, const Body& body) {
    if (count <= 0) return;
    const OnDevice here(cuda);
#ifdef __CUDACC__
    constexpr int64_t threads = 256, most = int64_t{1} << 20;
    const auto blocks = static_cast<unsigned>(std::min(most, (count + threads - 1) / threads));
    run_each<<<blocks, threads, 0, static_cast<cudaStream_t>(cuda.stream())>>>(count, body);
    check_launch();
#elif defined(HESCHL_EMULATED)
    emulated::launch(cuda.stream(), [=] {
        for (int64_t i = 0; i < count; ++i) body(i);
    });
    check_launch();
#endif
}

#ifdef __CUDACC__
template <class Body>
__global__ void run_groups(int64_t steps, Body body) {
    for (int64_t step = 0; step < steps; ++step) {
        body(static_cast<int64_t>(blockIdx.x), step, static_cast<int64_t>(threadIdx.x));
        __syncthreads();
    }
}
#endif

constexpr int64_t group_threads = 256;

// body(group, step, thread) for the steps of each group, one after the other; in one all its threads, in any order.
template <class Body>
void for_each_group(const Cuda& cuda, int64_t groups, int64_t steps, const Body& body) {
    if (groups <= 0) return;
    const OnDevice here(cuda);
#ifdef __CUDACC__
    run_groups<<<static_cast<unsigned>(groups), group_threads, 0, static_cast<cudaStream_t>(cuda.stream())>>>(steps,
                                                                                                              body);
    check_launch();
#elif defined(HESCHL_EMULATED)
    emulated::launch(cuda.stream(), [=] {
        for (int64_t group = 0; group < groups; ++group)
            for (int64_t step = 0; step < steps; ++step)
                for (int64_t thread = group_threads; thread > 0; --thread) body(group, step, thread - 1);
    });
    check_launch();
#endif
}

// Four neighbours that a thread reads or writes at once: 16 bytes of float.
template <class T>
struct alignas(sizeof(T) < 4 ? sizeof(T) * 4 : 16) Four {
    T at[4];
};

// Whether a matrix is read by fours: rows of a multiple of four, each where an address of so many bytes is.
template <class T>
bool in_fours(const Matrix<T>& of) {
    return of.cols % 4 == 0 && of.stride % 4 == 0 &&
           reinterpret_cast<std::uintptr_t>(of.data) % alignof(Four<std::remove_const_t<T>>) == 0;
}

template <class T>
__device__ inline Four<std::remove_const_t<T>>& four(T* at) {
    return *reinterpret_cast<Four<std::remove_const_t<T>>*>(const_cast<std::remove_const_t<T>*>(at));
}

// change(in[i, j], out[i, j], i, j) for all elements; by fours where both allow it.
template <class From, class To, class Change>
void map(const Cuda& cuda, Matrix<const From> in, Matrix<To> out, const Change& change) {
    const int64_t cols = out.cols;
    if (!in_fours(in) || !in_fours(out)) {
        for_each(cuda, out.rows * cols, [=] __device__(int64_t at) {
            const int64_t i = at / cols, j = at % cols;
            change(in.data[i * in.stride + j], out.data[i * out.stride + j], i, j);
        });
        return;
    }
    for_each(cuda, out.rows * (cols / 4), [=] __device__(int64_t at) {
        const int64_t i = at / (cols / 4), j = at % (cols / 4) * 4;
        const Four<From> read = four(in.data + i * in.stride + j);
        Four<To> found = four(out.data + i * out.stride + j);
        for (int64_t q = 0; q < 4; ++q) change(read.at[q], found.at[q], i, j + q);
        four(out.data + i * out.stride + j) = found;
    });
}

// Device memory that lives as long as its owner.
template <class T>
class Buffer {
 public:
    Buffer(const Cuda& cuda, int64_t size)
        : cuda_(cuda),
          size_(size),
          data_(static_cast<T*>(cuda.allocate(static_cast<std::size_t>(std::max<int64_t>(size, 1)) * sizeof(T)))) {}
    Buffer(const Cuda& cuda, const std::vector<T>& values) : Buffer(cuda, static_cast<int64_t>(values.size())) {
        cuda.copy_in(data_, values.data(), values.size() * sizeof(T));
    }
    ~Buffer() { cuda_.release(data_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    T* data() const { return data_; }
    void clear() const { cuda_.clear(data_, static_cast<std::size_t>(size_) * sizeof(T)); }
    std::vector<T> read() const {
        std::vector<T> out(static_cast<std::size_t>(size_));
        cuda_.copy_out(out.data(), data_, out.size() * sizeof(T));
        return out;
    }
    Matrix<T> matrix(int64_t rows, int64_t cols) const { return {data_, rows, cols, cols}; }
    Matrix<const T> read(int64_t rows, int64_t cols) const { return {data_, rows, cols, cols}; }

 private:
    const Cuda& cuda_;
    int64_t size_;
    T* data_;
};

// out[j] = sum over i in [0, rows) of value(i, j), in double; threads share columns and stretches of rows.
template <class Value>
void column_sums(const Cuda& cuda, int64_t rows, int64_t cols, const Value& value, double* out) {
    constexpr int64_t stretch = 128;
    const int64_t parts = std::max<int64_t>(1, (rows + stretch - 1) / stretch);
    const Buffer<double> partial(cuda, parts * cols);
    double* sums = partial.data();
    for_each(cuda, parts * cols, [=] __device__(int64_t at) {
        const int64_t part = at / cols, j = at % cols;
        const int64_t last = (part + 1) * stretch < rows ? (part + 1) * stretch : rows;
        double sum = 0.0;
        for (int64_t i = part * stretch; i < last; ++i) sum += value(i, j);
        sums[at] = sum;
    });
    for_each(cuda, cols, [=] __device__(int64_t j) {
        double sum = 0.0;
        for (int64_t part = 0; part < parts; ++part) sum += sums[part * cols + j];
        out[j] = sum;
    });
}

// Linear algebra on row-major views, as in heschl/blas.hpp.

// C = alpha * op(A) op(B) + beta * C.
template <class T>
void gemm(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c);

// The same by float32's own products, whatever `tf32` says of those with data.
template <class T>
void gemm_exact(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b,
                T beta, Matrix<T> c);

// The same of numbers of half precision, summed in float32, by tensor cores: their sums round towards zero.
void gemm_half(const Cuda& cuda, bool transpose_a, bool transpose_b, float alpha, Matrix<const Half> a,
               Matrix<const Half> b, float beta, Matrix<float> c);

// The same for `count` products: each matrix moves on by so many elements from one to the next. `exact` as gemm_exact.
template <class T>
void gemm_moving(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, int64_t a_step,
                 Matrix<const T> b, int64_t b_step, T beta, Matrix<T> c, int64_t c_step, int64_t count,
                 bool exact = false);

// Lower triangle of C = alpha * A'A + beta * C, A (k, n); and of alpha * A A' + beta * C, A (n, k).
template <class T>
void syrk_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c);
template <class T>
void syrk_rows_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c);

// C = G B, G symmetric, known by its lower triangle.
template <class T>
void symm_lower(const Cuda& cuda, Matrix<const T> g, Matrix<const T> b, Matrix<T> c);

// As for the Cpu: A = U'U in the upper triangle; (U'U)^-1 R; its halves U'^-1 R and U^-1 R; R U^-1.
template <class T>
void cholesky_upper(const Cuda& cuda, Matrix<T> a);
// The same without a wait: where there is no factor, NaN down the diagonal (arrays.cu; `verdict` lies on the device).
template <class T>
void factor_upper(const Cuda& cuda, Matrix<T> a);
template <class T>
void spoil_failed(const Cuda& cuda, const int* verdict, Matrix<T> a);
template <class T>
void solve_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r);
template <class T>
void half_solve_upper(const Cuda& cuda, Matrix<const T> u, bool transposed, Matrix<T> r);
template <class T>
void divide_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r);

// Eigenvalues, rising, of symmetric matrices (n, n) whose lower triangles lie in the stack A (count * n, n); their rows
// become the vectors, or are lost. `values` holds count * n. All in one call where cuSOLVER has one for that.
template <class T>
void eigen_lower(const Cuda& cuda, Matrix<T> a, bool vectors, T* values);

}  // namespace heschl

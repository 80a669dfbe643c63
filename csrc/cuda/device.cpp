// The device layer on CUDA. Everything is ordered on one stream of its own; memory comes from the stream's pool.
#include "device.hpp"

#include <cuda_runtime.h>

#include <cstring>
#include <mutex>
#include <utility>

#include "libraries.hpp"

namespace heschl {
namespace {

void check(cudaError_t status, const char* what) {
    if (status != cudaSuccess) throw Error(ErrorKind::device, std::string(what) + ": " + cudaGetErrorString(status));
}

void check_library(int status, const char* what) {
    if (status != 0)
        throw Error(ErrorKind::device, std::string(what) + " failed with status " + std::to_string(status));
}

constexpr std::size_t staging_bytes = std::size_t{16} << 20;

constexpr int op(bool transpose) { return transpose ? 1 : 0; }
constexpr int lower = 0, upper = 1, left = 0, right = 1, non_unit = 0;
constexpr int tf32_math = 3;

template <class T>
constexpr int data_type() {
    return sizeof(T) == sizeof(float) ? 0 : 1;  // CUDA_R_32F, CUDA_R_64F
}

template <class T>
const CublasTable<T>& table() {
    if constexpr (sizeof(T) == sizeof(float))
        return libraries().single;
    else
        return libraries().double_;
}

// Two pinned blocks: while one travels the other is filled.
struct Staging {
    void* block[2] = {nullptr, nullptr};
    cudaEvent_t gone[2] = {nullptr, nullptr};
    std::mutex lock;

    ~Staging() {
        for (int i = 0; i < 2; ++i) {
            if (block[i]) cudaFreeHost(block[i]);
            if (gone[i]) cudaEventDestroy(gone[i]);
        }
    }

    void create() {
        for (int i = 0; i < 2; ++i) {
            check(cudaMallocHost(&block[i], staging_bytes), "cudaMallocHost");
            check(cudaEventCreateWithFlags(&gone[i], cudaEventDisableTiming), "cudaEventCreate");
        }
    }

    // The caller holds the lock.
    void send(void* to, const void* host, std::size_t bytes, cudaStream_t stream) const {
        auto* const target = static_cast<char*>(to);
        const auto* const source = static_cast<const char*>(host);
        int turn = 0;
        for (std::size_t at = 0; at < bytes; at += staging_bytes, turn ^= 1) {
            const std::size_t count = std::min(staging_bytes, bytes - at);
            check(cudaEventSynchronize(gone[turn]), "cudaEventSynchronize");
            std::memcpy(block[turn], source + at, count);
            check(cudaMemcpyAsync(target + at, block[turn], count, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
            check(cudaEventRecord(gone[turn], stream), "cudaEventRecord");
        }
    }
};

}  // namespace

struct Cuda::State {
    cudaStream_t stream = nullptr, uploads = nullptr;
    cudaEvent_t arrived = nullptr;
    Staging in_order, ahead;  // for copies on either stream
    Handle blas = nullptr, products = nullptr, solver = nullptr, parameters = nullptr;
    std::mutex lock;  // of the handles

    ~State() {
        if (blas) libraries().blas_destroy(blas);
        if (products) libraries().blas_destroy(products);
        if (parameters) libraries().solver_destroy_params(parameters);
        if (solver) libraries().solver_destroy(solver);
        if (arrived) cudaEventDestroy(arrived);
        if (uploads) cudaStreamDestroy(uploads);
        if (stream) cudaStreamDestroy(stream);
    }
};

Cuda::Cuda(int ordinal, bool use_tf32) : device(ordinal), tf32(use_tf32), state_(std::make_unique<State>()) {
    const Libraries& found = libraries();
    check(cudaSetDevice(device), "cudaSetDevice");
    for (cudaStream_t* stream : {&state_->stream, &state_->uploads})
        check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreateWithFlags(&state_->arrived, cudaEventDisableTiming), "cudaEventCreate");
    state_->in_order.create();
    state_->ahead.create();
    for (Handle* handle : {&state_->blas, &state_->products}) {
        check_library(found.blas_create(handle), "cublasCreate");
        check_library(found.blas_set_stream(*handle, state_->stream), "cublasSetStream");
    }
    // Products with data alone: a solve so rounded would miss its equations, errors from moments would cancel.
    if (tf32) check_library(found.blas_set_math_mode(state_->products, tf32_math), "cublasSetMathMode");
    check_library(found.solver_create(&state_->solver), "cusolverDnCreate");
    check_library(found.solver_set_stream(state_->solver, state_->stream), "cusolverDnSetStream");
    check_library(found.solver_create_params(&state_->parameters), "cusolverDnCreateParams");
    // Freed memory stays with the pool for the next step of the same fit; `trim` gives it back after the last.
    cudaMemPool_t pool = nullptr;
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    std::uint64_t keep = ~std::uint64_t{0};
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
}

Cuda::~Cuda() = default;

void* Cuda::stream() const { return state_->stream; }

static void* allocate_on(const Cuda& cuda, std::size_t bytes, cudaStream_t stream) {
    void* memory = nullptr;
    check(cudaSetDevice(cuda.device), "cudaSetDevice");  // the calling thread may have another one
    const cudaError_t status = cudaMallocAsync(&memory, bytes, stream);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();  // it is dealt with here, and must not meet the next launch
        std::size_t free = 0, total = 0;
        cuda.memory(free, total);
        throw Error(ErrorKind::out_of_memory, "device memory: " + std::to_string(bytes >> 20) + " MB asked for, " +
                                                  std::to_string(free >> 20) + " MB of " + std::to_string(total >> 20) +
                                                  " MB are free");
    }
    check(status, "cudaMallocAsync");
    return memory;
}

void* Cuda::allocate(std::size_t bytes) const { return allocate_on(*this, bytes, state_->stream); }

void* Cuda::upload(const void* host, std::size_t bytes) const {
    const std::lock_guard<std::mutex> guard(state_->ahead.lock);
    void* const memory = allocate_on(*this, std::max<std::size_t>(bytes, 1), state_->uploads);
    try {
        state_->ahead.send(memory, host, bytes, state_->uploads);
        check(cudaEventRecord(state_->arrived, state_->uploads), "cudaEventRecord");
        check(cudaStreamWaitEvent(state_->stream, state_->arrived, 0), "cudaStreamWaitEvent");
    } catch (const Error&) {
        cudaFreeAsync(memory, state_->uploads);
        throw;
    }
    return memory;
}

void Cuda::release(void* memory) const noexcept { cudaFreeAsync(memory, state_->stream); }

void Cuda::copy_in(void* to, const void* host, std::size_t bytes) const {
    const std::lock_guard<std::mutex> guard(state_->in_order.lock);
    state_->in_order.send(to, host, bytes, state_->stream);
}

void Cuda::copy_out(void* host, const void* from, std::size_t bytes) const {
    auto* const target = static_cast<char*>(host);
    const auto* const source = static_cast<const char*>(from);
    const std::lock_guard<std::mutex> guard(state_->in_order.lock);
    void* const block = state_->in_order.block[0];
    for (std::size_t at = 0; at < bytes; at += staging_bytes) {
        const std::size_t count = std::min(staging_bytes, bytes - at);
        check(cudaMemcpyAsync(block, source + at, count, cudaMemcpyDeviceToHost, state_->stream), "cudaMemcpyAsync");
        synchronize();
        std::memcpy(target + at, block, count);
    }
}

void Cuda::copy(void* to, const void* from, std::size_t bytes) const {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream), "cudaMemcpyAsync");
}

void Cuda::clear(void* memory, std::size_t bytes) const {
    check(cudaMemsetAsync(memory, 0, bytes, state_->stream), "cudaMemsetAsync");
}

void Cuda::synchronize() const { check(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize"); }

void Cuda::synchronize_all() const { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }

void Cuda::memory(std::size_t& free, std::size_t& total) const {
    check(cudaSetDevice(device), "cudaSetDevice");
    synchronize();
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    // What the pool keeps and nothing uses is free.
    cudaMemPool_t pool = nullptr;
    std::uint64_t kept = 0, used = 0;
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &kept), "cudaMemPoolGetAttribute");
    check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
    free += static_cast<std::size_t>(kept - used);
}

void Cuda::trim() const {
    constexpr std::size_t little = std::size_t{256} << 20;
    synchronize();
    cudaMemPool_t pool = nullptr;
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    check(cudaMemPoolTrimTo(pool, little), "cudaMemPoolTrimTo");
}

int device_count() {
    int count = 0;
    check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
    return count;
}

std::string device_name(int device) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    return properties.name;
}

void check_launch() { check(cudaGetLastError(), "a kernel could not be launched"); }

// A row-major matrix is its own transpose in column-major order, so nothing is copied.

template <class T>
void gemm(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c) {
    if (c.rows == 0 || c.cols == 0) return;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().gemm(cuda.state().products, op(transpose_b), op(transpose_a), c.cols, c.rows,
                                  transpose_a ? a.rows : a.cols, &alpha, b.data, b.stride, a.data, a.stride, &beta,
                                  c.data, c.stride),
                  "cublas gemm");
}

template <class T>
void gemm_moving(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, int64_t a_step,
                 Matrix<const T> b, T beta, Matrix<T> c, int64_t c_step, int64_t count) {
    if (c.rows == 0 || c.cols == 0 || count == 0) return;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().gemm_batched(cuda.state().products, op(transpose_b), op(transpose_a), c.cols, c.rows,
                                          transpose_a ? a.rows : a.cols, &alpha, b.data, b.stride, 0, a.data, a.stride,
                                          a_step, &beta, c.data, c.stride, c_step, count),
                  "cublas gemmStridedBatched");
}

template <class T>
void syrk_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().syrk(cuda.state().blas, upper, op(false), c.rows, a.rows, &alpha, a.data, a.stride, &beta,
                                  c.data, c.stride),
                  "cublas syrk");
}

template <class T>
void syrk_rows_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().syrk(cuda.state().blas, upper, op(true), c.rows, a.cols, &alpha, a.data, a.stride, &beta,
                                  c.data, c.stride),
                  "cublas syrk");
}

template <class T>
void symm_lower(const Cuda& cuda, Matrix<const T> g, Matrix<const T> b, Matrix<T> c) {
    if (c.rows == 0 || c.cols == 0) return;
    const T one = 1, zero = 0;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().symm(cuda.state().blas, right, upper, c.cols, c.rows, &one, g.data, g.stride, b.data,
                                  b.stride, &zero, c.data, c.stride),
                  "cublas symm");
}

template <class T>
void cholesky_upper(const Cuda& cuda, Matrix<T> a) {
    if (a.rows == 0) return;
    const Libraries& found = libraries();
    Cuda::State& state = cuda.state();
    constexpr int type = data_type<T>();
    std::size_t on_device = 0, on_host = 0;
    check_library(found.potrf_size(state.solver, state.parameters, lower, a.rows, type, a.data, a.stride, type,
                                   &on_device, &on_host),
                  "cusolverDnXpotrf_bufferSize");
    const Buffer<char> work(cuda, static_cast<int64_t>(on_device));
    std::vector<char> host_work(on_host);
    const Buffer<int> info(cuda, 1);
    {
        const std::lock_guard<std::mutex> guard(state.lock);
        check_library(found.potrf(state.solver, state.parameters, lower, a.rows, type, a.data, a.stride, type,
                                  work.data(), on_device, host_work.data(), on_host, info.data()),
                      "cusolverDnXpotrf");
    }
    if (info.read()[0] != 0)
        throw Error(ErrorKind::not_definite, "the matrix X'X + alpha I is not positive definite to working precision");
}

template <class T>
static void triangular_solve(const Cuda& cuda, int side, bool transpose, Matrix<const T> u, Matrix<T> r) {
    if (r.rows == 0 || r.cols == 0) return;
    const T one = 1;
    const std::lock_guard<std::mutex> guard(cuda.state().lock);
    check_library(table<T>().trsm(cuda.state().blas, side, lower, op(transpose), non_unit, r.cols, r.rows, &one, u.data,
                                  u.stride, r.data, r.stride),
                  "cublas trsm");
}

template <class T>
void solve_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    triangular_solve(cuda, right, true, u, r);
    triangular_solve(cuda, right, false, u, r);
}

template <class T>
void divide_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    triangular_solve(cuda, left, false, u, r);
}

template <class T>
void eigen_lower(const Cuda& cuda, Matrix<T> a, bool vectors, T* values) {
    if (a.rows == 0) return;
    const Libraries& found = libraries();
    Cuda::State& state = cuda.state();
    constexpr int type = data_type<T>();
    const int job = vectors ? 1 : 0;
    const int64_t n = a.cols, count = a.rows / n;
    const bool together = count > 1 && found.syev_batched != nullptr && a.stride == n;
    std::size_t on_device = 0, on_host = 0;
    check_library(together ? found.syev_batched_size(state.solver, state.parameters, job, upper, n, type, a.data,
                                                     a.stride, type, values, type, &on_device, &on_host, count)
                           : found.syevd_size(state.solver, state.parameters, job, upper, n, type, a.data, a.stride,
                                              type, values, type, &on_device, &on_host),
                  "cuSOLVER's size of an eigendecomposition");
    const Buffer<char> work(cuda, static_cast<int64_t>(on_device));
    std::vector<char> host_work(on_host);
    const Buffer<int> info(cuda, count);
    if (together) {
        const std::lock_guard<std::mutex> guard(state.lock);
        check_library(
            found.syev_batched(state.solver, state.parameters, job, upper, n, type, a.data, a.stride, type, values,
                               type, work.data(), on_device, host_work.data(), on_host, info.data(), count),
            "cusolverDnXsyevBatched");
    }
    for (int64_t i = 0; !together && i < count; ++i) {
        const std::lock_guard<std::mutex> guard(state.lock);
        check_library(
            found.syevd(state.solver, state.parameters, job, upper, n, type, a.row(i * n), a.stride, type,
                        values + i * n, type, work.data(), on_device, host_work.data(), on_host, info.data() + i),
            "cusolverDnXsyevd");
    }
    for (const int failed : info.read())
        if (failed != 0) throw Error(ErrorKind::not_definite, "an eigendecomposition did not converge");
}

template void gemm(const Cuda&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void gemm(const Cuda&, bool, bool, double, Matrix<const double>, Matrix<const double>, double, Matrix<double>);
template void gemm_moving(const Cuda&, bool, bool, float, Matrix<const float>, int64_t, Matrix<const float>, float,
                          Matrix<float>, int64_t, int64_t);
template void gemm_moving(const Cuda&, bool, bool, double, Matrix<const double>, int64_t, Matrix<const double>, double,
                          Matrix<double>, int64_t, int64_t);
template void syrk_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void syrk_rows_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_rows_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void symm_lower(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<float>);
template void symm_lower(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<double>);
template void cholesky_upper(const Cuda&, Matrix<float>);
template void cholesky_upper(const Cuda&, Matrix<double>);
template void solve_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void solve_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void divide_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void divide_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void eigen_lower(const Cuda&, Matrix<float>, bool, float*);
template void eigen_lower(const Cuda&, Matrix<double>, bool, double*);

}  // namespace heschl

// What a Cuda holds: streams, staging memory, a pool, library handles. Only device.cpp and algebra.cpp look inside.
#pragma once

#include <cuda_runtime.h>

#include <mutex>

#include "device.hpp"
#include "libraries.hpp"

namespace heschl {

// Throws Error(device) with CUDA's reason.
void check(cudaError_t status, const char* what);

constexpr std::size_t staging_bytes = std::size_t{16} << 20;

// Two pinned blocks: while one travels the other is filled.
class Staging {
 public:
    ~Staging();
    void create();
    void send(void* to, const void* host, std::size_t bytes, cudaStream_t stream);       // done with `host` on return
    void receive(void* host, const void* from, std::size_t bytes, cudaStream_t stream);  // done on return

    std::mutex lock;  // held by whoever calls

 private:
    void* block_[2] = {nullptr, nullptr};
    cudaEvent_t gone_[2] = {nullptr, nullptr};
    int turn_ = 0;
    std::size_t used_ = 0;  // of the block whose turn it is
};

struct Cuda::State {
    cudaStream_t stream = nullptr, uploads = nullptr;
    cudaEvent_t arrived = nullptr;
    cudaMemPool_t pool = nullptr;
    int holders = 0;  // of freed memory
    std::mutex holding;
    Staging in_order, ahead;                                                            // for copies on either stream
    Handle blas = nullptr, rounding = nullptr, solver = nullptr, parameters = nullptr;  // `rounding`: where tf32
    std::mutex lock;                                                                    // of the handles

    ~State();
};

// Those of cuBLAS and cuSOLVER, on the stream (algebra.cpp).
void create_handles(Cuda::State& state, bool tf32);

}  // namespace heschl

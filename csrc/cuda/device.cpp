// The device layer on CUDA: memory from a pool of its own, everything ordered on one stream, but for uploads from the
// host, which have another.
#include "device.hpp"

#include <cstring>
#include <utility>

#include "../cpu/parallel.hpp"
#include "state.hpp"

namespace heschl {

constexpr int64_t copying_threads = 4, least_copied = int64_t{2} << 20;  // bytes for each

void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    cudaGetLastError();  // it is told here, and must not be blamed on the next launch
    throw Error(ErrorKind::device, std::string(what) + ": " + cudaGetErrorString(status));
}

Staging::~Staging() {
    for (int i = 0; i < 2; ++i) {
        if (block_[i]) cudaFreeHost(block_[i]);
        if (gone_[i]) cudaEventDestroy(gone_[i]);
    }
}

void Staging::create() {
    for (int i = 0; i < 2; ++i) {
        check(cudaMallocHost(&block_[i], staging_bytes), "cudaMallocHost");
        check(cudaEventCreateWithFlags(&gone_[i], cudaEventDisableTiming), "cudaEventCreate");
    }
}

void Staging::send(void* to, const void* host, std::size_t bytes, cudaStream_t stream) {
    auto* const target = static_cast<char*>(to);
    const auto* const source = static_cast<const char*>(host);
    for (std::size_t at = 0, count = 0; at < bytes; at += count) {
        if (used_ >= staging_bytes) {  // small arrays lie behind each other in a block, and none waits for those before
            turn_ ^= 1;
            used_ = 0;
            check(cudaEventSynchronize(gone_[turn_]), "cudaEventSynchronize");
        }
        char* const block = static_cast<char*>(block_[turn_]) + used_;
        count = std::min(staging_bytes - used_, bytes - at);
        // One thread copies at about 12 GB/s, half of what the bus takes.
        parallel_for(copying_threads, static_cast<int64_t>(count), least_copied, [&](int64_t begin, int64_t end) {
            std::memcpy(block + begin, source + at + begin, static_cast<std::size_t>(end - begin));
        });
        check(cudaMemcpyAsync(target + at, block, count, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
        check(cudaEventRecord(gone_[turn_], stream), "cudaEventRecord");
        used_ += (count + 255) / 256 * 256;
    }
}

void Staging::receive(void* host, const void* from, std::size_t bytes, cudaStream_t stream) {
    auto* const target = static_cast<char*>(host);
    const auto* const source = static_cast<const char*>(from);
    const auto emptied = [&](std::size_t at, int turn) {
        check(cudaEventSynchronize(gone_[turn]), "cudaEventSynchronize");
        const auto count = static_cast<int64_t>(std::min(staging_bytes, bytes - at));
        parallel_for(copying_threads, count, least_copied, [&](int64_t begin, int64_t end) {
            std::memcpy(target + at + begin, static_cast<char*>(block_[turn]) + begin,
                        static_cast<std::size_t>(end - begin));
        });
    };
    for (std::size_t at = 0; at < bytes; at += staging_bytes) {
        // This one sets out; the one before it is emptied meanwhile.
        const std::size_t count = std::min(staging_bytes, bytes - at);
        check(cudaMemcpyAsync(block_[turn_], source + at, count, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
        check(cudaEventRecord(gone_[turn_], stream), "cudaEventRecord");
        turn_ ^= 1;
        if (at > 0) emptied(at - staging_bytes, turn_);
        if (at + count == bytes) emptied(at, turn_ ^ 1);
    }
    if (bytes > 0) used_ = 0;  // whatever was sent before has arrived
}

Cuda::State::~State() {
    if (blas) libraries().blas_destroy(blas);
    if (rounding) libraries().blas_destroy(rounding);
    if (parameters) libraries().solver_destroy_params(parameters);
    if (solver) libraries().solver_destroy(solver);
    if (arrived) cudaEventDestroy(arrived);
    if (uploads) cudaStreamDestroy(uploads);
    if (stream) cudaStreamDestroy(stream);
    if (pool) cudaMemPoolDestroy(pool);
}

static void keep_freed(const Cuda::State& state, std::uint64_t most) {
    check(cudaMemPoolSetAttribute(state.pool, cudaMemPoolAttrReleaseThreshold, &most), "cudaMemPoolSetAttribute");
}

OnDevice::OnDevice(const Cuda& cuda) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ == cuda.device)
        before_ = -1;
    else
        check(cudaSetDevice(cuda.device), "cudaSetDevice");
}

OnDevice::~OnDevice() {
    if (before_ >= 0) cudaSetDevice(before_);
}

Cuda::Cuda(int ordinal, bool use_tf32) : device(ordinal), tf32(use_tf32), state_(std::make_unique<State>()) {
    const OnDevice here(*this);
    int pools = 0;
    check(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device), "cudaDeviceGetAttribute");
    if (pools == 0) throw Error(ErrorKind::device, "this GPU (a part of one?) has no memory pools, which heschl needs");
    for (cudaStream_t* stream : {&state_->stream, &state_->uploads})
        check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreateWithFlags(&state_->arrived, cudaEventDisableTiming), "cudaEventCreate");
    state_->in_order.create();
    state_->ahead.create();
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = device;
    check(cudaMemPoolCreate(&state_->pool, &properties), "cudaMemPoolCreate");
    keep_freed(*state_, kept_bytes);
    create_handles(*state_, tf32);
}

Cuda::~Cuda() = default;

void* Cuda::stream() const { return state_->stream; }

static void* allocate_on(const Cuda& cuda, std::size_t bytes, cudaStream_t stream) {
    void* memory = nullptr;
    const cudaError_t status = cudaMallocFromPoolAsync(&memory, bytes, cuda.state().pool, stream);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();  // it is dealt with here, and must not meet the next launch
        std::size_t free = 0, total = 0;
        cuda.memory(free, total);
        throw Error(ErrorKind::out_of_memory, "device memory: " + std::to_string(bytes >> 20) + " MB asked for, " +
                                                  std::to_string(free >> 20) + " MB of " + std::to_string(total >> 20) +
                                                  " MB are free");
    }
    check(status, "cudaMallocFromPoolAsync");
    return memory;
}

void* Cuda::allocate(std::size_t bytes) const {
    const OnDevice here(*this);
    return allocate_on(*this, bytes, state_->stream);
}

void* Cuda::upload(const void* host, std::size_t bytes) const {
    const OnDevice here(*this);
    const std::lock_guard<std::mutex> guard(state_->ahead.lock);
    void* const memory = allocate_on(*this, bytes, state_->uploads);
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

void Cuda::release(void* memory) const noexcept {
    try {
        const OnDevice here(*this);
        cudaFreeAsync(memory, state_->stream);
    } catch (const Error&) {  // of a broken device nothing can be freed
    }
}

void Cuda::copy_in(void* to, const void* host, std::size_t bytes) const {
    const OnDevice here(*this);
    const std::lock_guard<std::mutex> guard(state_->in_order.lock);
    state_->in_order.send(to, host, bytes, state_->stream);
}

void Cuda::copy_out(void* host, const void* from, std::size_t bytes) const {
    const OnDevice here(*this);
    const std::lock_guard<std::mutex> guard(state_->in_order.lock);
    state_->in_order.receive(host, from, bytes, state_->stream);
}

void Cuda::copy(void* to, const void* from, std::size_t bytes) const {
    const OnDevice here(*this);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream), "cudaMemcpyAsync");
}

void Cuda::clear(void* memory, std::size_t bytes) const {
    const OnDevice here(*this);
    check(cudaMemsetAsync(memory, 0, bytes, state_->stream), "cudaMemsetAsync");
}

void Cuda::keep(std::vector<char> host) const {
    if (host.empty()) return;
    const OnDevice here(*this);
    auto* const kept = new std::vector<char>(std::move(host));  // for good where the call fails: it may be in use
    const auto forget = [](void* past) { delete static_cast<std::vector<char>*>(past); };
    check(cudaLaunchHostFunc(state_->stream, forget, kept), "cudaLaunchHostFunc");
}

void Cuda::synchronize() const {
    const OnDevice here(*this);
    check(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
}

void Cuda::synchronize_all() const {
    const OnDevice here(*this);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

static std::size_t pool_bytes(const Cuda& cuda, cudaMemPoolAttr which) {
    std::uint64_t bytes = 0;
    check(cudaMemPoolGetAttribute(cuda.state().pool, which, &bytes), "cudaMemPoolGetAttribute");
    return static_cast<std::size_t>(bytes);
}

std::size_t Cuda::in_use() const {
    synchronize();
    return pool_bytes(*this, cudaMemPoolAttrUsedMemCurrent);
}

void Cuda::memory(std::size_t& free, std::size_t& total) const {
    const OnDevice here(*this);
    const std::size_t used = in_use();
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    free += pool_bytes(*this, cudaMemPoolAttrReservedMemCurrent) - used;  // kept, and free to us
}

void Cuda::hold() const {
    const OnDevice here(*this);
    const std::lock_guard<std::mutex> guard(state_->holding);
    if (state_->holders == 0) keep_freed(*state_, ~std::uint64_t{0});
    ++state_->holders;
}

void Cuda::let_go() const {
    const std::lock_guard<std::mutex> guard(state_->holding);
    if (--state_->holders > 0) return;
    const OnDevice here(*this);
    keep_freed(*state_, kept_bytes);
    synchronize();
    check(cudaMemPoolTrimTo(state_->pool, kept_bytes), "cudaMemPoolTrimTo");
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

}  // namespace heschl

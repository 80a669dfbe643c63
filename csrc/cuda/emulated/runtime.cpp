// Streams are queues of work that wait until somebody does: a reader that forgets to synchronise finds NaN, a staging
// block that is filled again too early is copied wrong. Device memory is as small as a device's, and NaN when new.
#include "runtime.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

struct CUstream_st {
    int device = 0;
    std::deque<std::function<void()>> waiting;
    std::uint64_t issued = 0, done = 0;
};

struct CUmemPoolHandle_st {
    std::size_t used = 0, kept = 0;  // what was freed and has not gone back
    std::uint64_t threshold = 0;     // of `kept`, beside what is used
};

struct CUevent_st {
    CUstream_st* stream = nullptr;  // or none: never recorded, done
    std::uint64_t after = 0;
};

namespace heschl::emulated {
namespace {

constexpr std::size_t total_bytes = std::size_t{2} << 30;

struct Block {
    std::size_t bytes;
    CUmemPoolHandle_st* pool;
};

struct Failure {
    int status, skipped;
};

struct Runtime {
    std::recursive_mutex lock;
    std::set<CUstream_st*> streams;
    std::set<CUevent_st*> events;
    std::set<CUmemPoolHandle_st*> pools;
    std::set<void*> pinned;
    std::map<const char*, Block> memory;
    std::map<std::string, Failure> failures;
    std::size_t used = 0, held = 0, peak = 0;
    std::int64_t launched = 0, waited = 0;
    int handles = 0;
};

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

Runtime& runtime() {
    static auto* const only = new Runtime;
    return *only;
}

using Guard = std::lock_guard<std::recursive_mutex>;

void run(CUstream_st& stream, std::uint64_t until) {
    while (stream.done < until) {
        const std::function<void()> work = std::move(stream.waiting.front());
        stream.waiting.pop_front();
        ++stream.done;
        work();
    }
}

void run(CUstream_st& stream) { run(stream, stream.issued); }

std::size_t kept_by_others(const CUmemPoolHandle_st* pool) {
    std::size_t kept = 0;
    for (const CUmemPoolHandle_st* other : runtime().pools) kept += other == pool ? 0 : other->kept;
    return kept;
}

void trim(CUmemPoolHandle_st& pool, std::uint64_t least) {
    pool.kept = std::min<std::size_t>(pool.kept, least > pool.used ? least - pool.used : 0);
}

void trim_all() {
    for (CUmemPoolHandle_st* pool : runtime().pools) trim(*pool, pool->threshold);
}

// body() under the lock, or the failure that a test has asked for.
template <class Body>
cudaError_t call(const char* function, const Body& body) {
    const Guard guard(runtime().lock);
    if (const int status = failure(function); status != 0) return static_cast<cudaError_t>(status);
    return body();
}

}  // namespace

void launch(void* stream, std::function<void()> work) {
    const Guard guard(runtime().lock);
    auto* const own = static_cast<CUstream_st*>(stream);
    if (own->device != current_device) {
        last_error = cudaErrorInvalidResourceHandle;
        return;
    }
    ++runtime().launched;
    own->waiting.push_back(std::move(work));
    ++own->issued;
}

int failure(const std::string& function) {
    const Guard guard(runtime().lock);
    const auto found = runtime().failures.find(function);
    if (found == runtime().failures.end() || found->second.skipped-- > 0) return 0;
    const int status = found->second.status;
    runtime().failures.erase(found);
    return status;
}

void fail(const std::string& function, int status, int skipped) {
    const Guard guard(runtime().lock);
    runtime().failures[function] = {status, skipped};
}

std::size_t peak() {
    const Guard guard(runtime().lock);
    return std::exchange(runtime().peak, runtime().held);
}

std::pair<std::int64_t, std::int64_t> counts() {
    const Guard guard(runtime().lock);
    return {std::exchange(runtime().launched, 0), std::exchange(runtime().waited, 0)};
}

int waiting() {
    const Guard guard(runtime().lock);
    std::size_t count = 0;
    for (const CUstream_st* stream : runtime().streams) count += stream->waiting.size();
    return static_cast<int>(count);
}

int alive() {
    Runtime& all = runtime();
    const Guard guard(all.lock);
    for (CUstream_st* stream : all.streams) run(*stream);
    const auto blocks = all.memory.size() + all.pinned.size() + all.pools.size();
    return static_cast<int>(blocks + all.streams.size() + all.events.size()) + all.handles;
}

void count_handle(int change) {
    const Guard guard(runtime().lock);
    runtime().handles += change;
}

bool allocated(const void* memory, std::size_t bytes) {
    const Guard guard(runtime().lock);
    const auto* const from = static_cast<const char*>(memory);
    auto next = runtime().memory.upper_bound(from);
    if (next == runtime().memory.begin()) return false;
    --next;
    return from + bytes <= next->first + next->second.bytes;
}

}  // namespace heschl::emulated

using namespace heschl::emulated;

const char* cudaGetErrorString(cudaError_t status) {
    switch (status) {
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        default:
            return "an emulated failure";
    }
}

cudaError_t cudaGetLastError() {
    return call("cudaGetLastError", [] { return std::exchange(last_error, cudaSuccess); });
}

cudaError_t cudaGetDeviceCount(int* count) {
    return call("cudaGetDeviceCount", [=] {
        const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");  // of two, as many as it names
        const std::string named = visible == nullptr ? "0,1" : visible;
        *count = named.empty() ? 0 : 1 + static_cast<int>(std::count(named.begin(), named.end(), ','));
        return cudaSuccess;
    });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    return call("cudaGetDeviceProperties", [=] {
        std::strcpy(properties->name, "host memory, emulating a GPU");
        return cudaSuccess;
    });
}

cudaError_t cudaSetDevice(int device) {
    return call("cudaSetDevice", [=] { return current_device = device, cudaSuccess; });
}

cudaError_t cudaGetDevice(int* device) {
    return call("cudaGetDevice", [=] { return *device = current_device, cudaSuccess; });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    return call("cudaDeviceGetAttribute", [=] { return *value = 1, cudaSuccess; });
}

cudaError_t cudaDeviceSynchronize() {
    return call("cudaDeviceSynchronize", [] {
        for (CUstream_st* stream : runtime().streams) run(*stream);
        trim_all();
        return cudaSuccess;
    });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    return call("cudaMemGetInfo", [=] {
        *free = total_bytes - runtime().used - kept_by_others(nullptr);
        *total = total_bytes;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    return call("cudaStreamCreateWithFlags",
                [=] { return runtime().streams.insert(*stream = new CUstream_st{current_device}), cudaSuccess; });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return call("cudaStreamDestroy", [=] {
        if (runtime().streams.erase(stream) == 0) return cudaErrorInvalidResourceHandle;
        run(*stream);
        for (CUevent_st* event : runtime().events)
            if (event->stream == stream) event->stream = nullptr;
        delete stream;
        return cudaSuccess;
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return call("cudaStreamSynchronize", [=] {
        ++runtime().waited;
        run(*stream);
        trim_all();
        return cudaSuccess;
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
    return call("cudaLaunchHostFunc", [=] { return launch(stream, [=] { function(data); }), cudaSuccess; });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    return call("cudaStreamWaitEvent", [=] {
        const CUevent_st seen = *event;
        launch(stream, [=] {
            if (seen.stream != nullptr && runtime().streams.count(seen.stream) > 0) run(*seen.stream, seen.after);
        });
        return cudaSuccess;
    });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    return call("cudaEventCreateWithFlags",
                [=] { return runtime().events.insert(*event = new CUevent_st), cudaSuccess; });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return call("cudaEventDestroy", [=] {
        if (runtime().events.erase(event) == 0) return cudaErrorInvalidResourceHandle;
        delete event;
        return cudaSuccess;
    });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return call("cudaEventRecord", [=] {
        *event = {stream, stream->issued};
        return cudaSuccess;
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return call("cudaEventSynchronize", [=] {
        runtime().waited += event->stream != nullptr && event->stream->done < event->after;
        if (event->stream != nullptr) run(*event->stream, event->after);
        trim_all();
        return cudaSuccess;
    });
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
    return call("cudaMallocHost", [=] { return runtime().pinned.insert(*memory = std::malloc(bytes)), cudaSuccess; });
}

cudaError_t cudaFreeHost(void* memory) {
    return call("cudaFreeHost", [=] {
        if (runtime().pinned.erase(memory) == 0) return cudaErrorInvalidValue;
        std::free(memory);
        return cudaSuccess;
    });
}

cudaError_t cudaMallocFromPoolAsync(void** memory, std::size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
    return call("cudaMallocFromPoolAsync", [=] {
        Runtime& all = runtime();
        const std::size_t free = total_bytes - kept_by_others(pool);
        if (bytes + all.used > free) run(*stream);  // what was freed there can be had again
        if (bytes + all.used > free) return cudaErrorMemoryAllocation;
        pool->kept -= std::min(pool->kept, bytes);
        *memory = std::malloc(bytes);
        std::memset(*memory, 0xFF, bytes);
        all.memory[static_cast<char*>(*memory)] = {bytes, pool};
        pool->used += bytes;
        all.used += bytes;
        all.held += bytes;
        all.peak = std::max(all.peak, all.held);
        return cudaSuccess;
    });
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
    return call("cudaFreeAsync", [=] {
        const auto known = runtime().memory.find(static_cast<char*>(memory));
        if (known == runtime().memory.end()) return cudaErrorInvalidValue;
        runtime().held -= known->second.bytes;
        known->second.pool->used -= known->second.bytes;
        launch(stream, [=] {
            const auto found = runtime().memory.find(static_cast<char*>(memory));
            runtime().used -= found->second.bytes;
            if (runtime().pools.count(found->second.pool) > 0) found->second.pool->kept += found->second.bytes;
            runtime().memory.erase(found);
            std::free(memory);
        });
        return cudaSuccess;
    });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return call("cudaMemcpyAsync", [=] {
        if (bytes == 0) return cudaSuccess;
        if (kind == cudaMemcpyHostToDevice && !allocated(to, bytes)) return cudaErrorInvalidValue;
        launch(stream, [=] { std::memcpy(to, from, bytes); });
        return cudaSuccess;
    });
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
    return call("cudaMemsetAsync", [=] {
        if (bytes > 0 && !allocated(memory, bytes)) return cudaErrorInvalidValue;
        launch(stream, [=] { std::memset(memory, value, bytes); });
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
    return call("cudaMemPoolCreate",
                [=] { return runtime().pools.insert(*pool = new CUmemPoolHandle_st), cudaSuccess; });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
    return call("cudaMemPoolDestroy", [=] {
        if (runtime().pools.erase(pool) == 0) return cudaErrorInvalidValue;
        delete pool;
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
    return call("cudaMemPoolSetAttribute",
                [=] { return pool->threshold = *static_cast<std::uint64_t*>(value), cudaSuccess; });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr which, void* value) {
    return call("cudaMemPoolGetAttribute", [=] {
        *static_cast<std::uint64_t*>(value) =
            pool->used + (which == cudaMemPoolAttrReservedMemCurrent ? pool->kept : 0);
        return cudaSuccess;
    });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t least) {
    return call("cudaMemPoolTrimTo", [=] { return trim(*pool, least), cudaSuccess; });
}

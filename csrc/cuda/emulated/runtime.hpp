// What the emulated libraries and the tests need of the emulated runtime beyond CUDA's own interface.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "cuda_runtime.h"

namespace heschl::emulated {

// Puts work at the end of a stream. It is done as late as CUDA allows: when somebody waits for it. Fails, as on a GPU
// the next cudaGetLastError tells, where the calling thread's current device is not the stream's.
void launch(void* stream, std::function<void()> work);

// 0, or the status that a test has asked the function of this name to fail with.
int failure(const std::string& function);

// The call after `skipped` more ones of the function fails with this status, and that one alone.
void fail(const std::string& function, int status, int skipped);

// Most device memory that was in use at a time since the last call, as a pool sees it: freed when its stream is told.
std::size_t peak();

// Work put on streams, and times that the host waited for some, since the last call.
std::pair<std::int64_t, std::int64_t> counts();

// Work that nobody has waited for yet, on all streams.
int waiting();

// Device memory blocks, pinned blocks, streams, events and library handles that exist.
int alive();
void count_handle(int change);

// Whether all of [memory, memory + bytes) is device memory that is allocated.
bool allocated(const void* memory, std::size_t bytes);

}  // namespace heschl::emulated

// Threads for element loops, where memory is the limit. BLAS brings its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <system_error>
#include <vector>

#include "beside.hpp"

namespace heschl {

// Calls body(begin, end) on disjoint parts of [0, count), no part smaller than `grain`, one thread a part. Where the
// system has no thread left to give, the caller's own does the parts that found none.
template <class Body>
void parallel_for(std::int64_t n_threads, std::int64_t count, std::int64_t grain, const Body& body) {
    const std::int64_t parts = std::max<std::int64_t>(1, std::min(n_threads, count / std::max<std::int64_t>(1, grain)));
    if (parts == 1) {
        body(std::int64_t{0}, count);
        return;
    }
    std::vector<std::exception_ptr> errors(parts);
    const auto run = [&](std::int64_t part) {
        try {
            body(count * part / parts, count * (part + 1) / parts);
        } catch (...) {
            errors[part] = std::current_exception();
        }
    };
    std::deque<Beside> threads;
    std::int64_t started = 1;
    try {
        for (; started < parts; ++started) threads.emplace_back([&run, started] { run(started); });
    } catch (const std::system_error&) {
        // The caller does what they would have done.
    }
    run(0);
    for (std::int64_t part = started; part < parts; ++part) run(part);
    threads.clear();  // waits for them
    for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace heschl

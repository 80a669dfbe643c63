// A thread that computes beside the one that starts it, which the system alone would not always see to.
//
// In virtual machines Linux takes the CPU of an idle virtual core for one that its host has taken away, and puts a new
// thread behind the one that starts it, on the same core, where it waits until that one is done, or for several
// milliseconds: two threads on two cores take as long as one, in most calls of up to 7 ms (measured: Linux 6.18, KVM).
// So a new thread may begin on every core that the caller may use but the caller's; once it runs it may go anywhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>

#if defined(__GLIBC__)
#include <pthread.h>
#include <sched.h>
#endif

namespace heschl {

#if defined(__GLIBC__)

class Beside {
 public:
    // Throws std::system_error where the system has no thread left to give.
    explicit Beside(std::function<void()> work) : work_(std::move(work)) {
        restricted_ = sched_getaffinity(0, sizeof allowed_, &allowed_) == 0 && CPU_COUNT(&allowed_) > 1;
        if (restricted_ && start_elsewhere() == 0) return;
        restricted_ = false;
        const int failed = pthread_create(&thread_, nullptr, run, this);
        if (failed != 0) throw std::system_error(failed, std::generic_category());
    }
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;
    ~Beside() { pthread_join(thread_, nullptr); }

 private:
    // Said when it is made, not after: by then it may be over, and glibc would restrict the caller.
    int start_elsewhere() {
        cpu_set_t others = allowed_;
        CPU_CLR(static_cast<std::size_t>(std::max(0, sched_getcpu())), &others);
        pthread_attr_t attributes;
        if (const int failed = pthread_attr_init(&attributes)) return failed;
        int failed = CPU_COUNT(&others) > 0 ? pthread_attr_setaffinity_np(&attributes, sizeof others, &others) : 0;
        if (failed == 0) failed = pthread_create(&thread_, &attributes, run, this);
        pthread_attr_destroy(&attributes);
        return failed;
    }

    static void* run(void* self) {
        auto& beside = *static_cast<Beside*>(self);
        if (beside.restricted_) sched_setaffinity(0, sizeof beside.allowed_, &beside.allowed_);
        beside.work_();
        return nullptr;
    }

    std::function<void()> work_;
    cpu_set_t allowed_;
    bool restricted_;
    pthread_t thread_;
};

#else

class Beside {
 public:
    explicit Beside(std::function<void()> work) : thread_(std::move(work)) {}
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;
    ~Beside() { thread_.join(); }

 private:
    std::thread thread_;
};

#endif

}  // namespace heschl

// The one error type of the core. The bindings turn it into a Python exception in one place.
#pragma once

#include <stdexcept>
#include <string>

namespace heschl {

enum class ErrorKind {
    invalid,        // a shape or size the caller should have checked   -> ValueError
    not_definite,   // a Cholesky factorisation met a pivot <= 0        -> numpy.linalg.LinAlgError
    out_of_bounds,  // a size that a 32-bit BLAS interface cannot carry -> OverflowError
    out_of_memory,  // of a device                                      -> MemoryError
    device,         // CUDA or one of its libraries failed              -> RuntimeError
};

class Error : public std::runtime_error {
 public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    ErrorKind kind() const { return kind_; }

 private:
    ErrorKind kind_;
};

inline void require(bool condition, const char* message) {
    if (!condition) throw Error(ErrorKind::invalid, message);
}

}  // namespace heschl

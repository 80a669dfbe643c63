// Non-owning shaped views: what every kernel takes. No kernel allocates its inputs or outputs.
#pragma once

#include <cstdint>

namespace heschl {

using std::int64_t;

// (size) contiguous.
template <class T>
struct Vector {
    T* data = nullptr;
    int64_t size = 0;

    T& operator[](int64_t i) const { return data[i]; }
    explicit operator bool() const { return data != nullptr; }
};

// (rows, cols), row-major; consecutive rows lie `stride` elements apart.
template <class T>
struct Matrix {
    T* data = nullptr;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t stride = 0;

    T* row(int64_t i) const { return data + i * stride; }
    explicit operator bool() const { return data != nullptr; }
};

// Row ranges [begin(s), end(s)) of the frame grid that no lag may cross.
struct Segments {
    const int64_t* bounds = nullptr;  // (count, 2)
    int64_t count = 0;

    int64_t begin(int64_t s) const { return bounds[2 * s]; }
    int64_t end(int64_t s) const { return bounds[2 * s + 1]; }
};

// The consecutive lags first, first + 1, ..., first + count - 1, in frames.
// A positive lag is the past of the stimulus: X[t, k * d + f] = H[t - (first + k), f].
struct Lags {
    int64_t first = 0;
    int64_t count = 0;

    int64_t operator[](int64_t k) const { return first + k; }
};

}  // namespace heschl

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

    constexpr T& operator[](int64_t i) const { return data[i]; }
    constexpr explicit operator bool() const { return data != nullptr; }
};

// (rows, cols), row-major; consecutive rows lie `stride` elements apart.
template <class T>
struct Matrix {
    T* data = nullptr;
    int64_t rows = 0;
    int64_t cols = 0;
    int64_t stride = 0;

    constexpr T* row(int64_t i) const { return data + i * stride; }
    constexpr explicit operator bool() const { return data != nullptr; }
};

// The frames of a feature matrix, (n, d). Dense: frame t is row t of `values`. Run-length: frame t is row run[t].
template <class T>
struct Frames {
    Matrix<const T> values;
    const int64_t* run = nullptr;  // (n), or none: dense
    int64_t count = 0;

    int64_t cols() const { return values.cols; }
    const T* row(int64_t t) const { return values.row(run ? run[t] : t); }
};

// Rows [begin(r), end(r)) of the design, one range each; their lags may reach into [low(r), high(r)) and nowhere else.
// Where a segment's history counts as 0 outside of it, both are the segment.
struct Ranges {
    const int64_t* bounds = nullptr;  // (count, 4)
    int64_t count = 0;

    int64_t begin(int64_t r) const { return bounds[4 * r]; }
    int64_t end(int64_t r) const { return bounds[4 * r + 1]; }
    int64_t low(int64_t r) const { return bounds[4 * r + 2]; }
    int64_t high(int64_t r) const { return bounds[4 * r + 3]; }
    int64_t rows() const {
        int64_t total = 0;
        for (int64_t r = 0; r < count; ++r) total += end(r) - begin(r);
        return total;
    }
};

// The consecutive lags first, first + 1, ..., first + count - 1, in frames.
// A positive lag is the past of the stimulus: X[t, k * d + f] = H[t - (first + k), f].
struct Lags {
    int64_t first = 0;
    int64_t count = 0;

    constexpr int64_t operator[](int64_t k) const { return first + k; }
};

}  // namespace heschl

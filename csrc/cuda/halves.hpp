// Numbers of 16 bits, of which nothing but the value is wanted: IEEE half precision, and the upper half of a float.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef __device__  // CUDA's headers do; code for the device is plain C++ where nothing but the host runs it
#define __device__
#endif

namespace heschl {

struct Half {
    std::uint16_t bits;
};
struct BFloat {
    std::uint16_t bits;
};

__device__ inline float float_of(std::uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T>
__device__ inline T number(T value) {
    return value;
}

__device__ inline float number(BFloat value) { return float_of(static_cast<std::uint32_t>(value.bits) << 16); }

__device__ inline float number(Half value) {
    const std::uint32_t bits = value.bits, exponent = bits >> 10 & 31u, fraction = bits & 1023u;
    float size;
    if (exponent == 0)
        size = static_cast<float>(fraction) * 0x1p-24f;  // subnormal numbers and zero
    else if (exponent == 31)
        size = float_of(0x7f800000u | fraction << 13);  // infinity and NaN
    else
        size = float_of((exponent + 112) << 23 | fraction << 13);
    return bits >> 15 ? -size : size;
}

// The nearest number of half precision, of two the even one; infinity where none is so large.
__device__ inline Half half_of(float value) {
    std::uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const std::uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    std::uint32_t found;
    if (size < 0x38800000u) {  // below 2^-14: a whole number of 2^-24
        const float whole = float_of(size) * 0x1p24f;
        found = static_cast<std::uint32_t>((whole + 0x1p23f) - 0x1p23f);
    } else if (size > 0x7f800000u) {
        found = 0x7e00u;  // NaN
    } else {
        found = (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
        if (found > 0x7c00u) found = 0x7c00u;
    }
    return {static_cast<std::uint16_t>(sign | found)};
}

}  // namespace heschl

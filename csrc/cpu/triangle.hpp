// Symmetric matrices of which one triangle is known.
#pragma once

#include <algorithm>

#include "heschl/blas.hpp"
#include "parallel.hpp"

namespace heschl {

// Mirrors the strict lower triangle into the upper one, in tiles so that neither side strides through memory.
template <class T>
void mirror(const Cpu& cpu, Matrix<T> G) {
    constexpr int64_t tile = 64;
    const int64_t p = G.rows, tiles = (p + tile - 1) / tile;
    const auto copy_tile = [&](int64_t a, int64_t b) {
        for (int64_t r = a * tile; r < std::min(p, (a + 1) * tile); ++r)
            for (int64_t col = std::max(r + 1, b * tile); col < std::min(p, (b + 1) * tile); ++col)
                G.row(r)[col] = G.row(col)[r];
    };
    parallel_for(cpu.n_threads, tiles, 8, [&](int64_t first, int64_t last) {
        for (int64_t a = first; a < last; ++a)
            for (int64_t b = a; b < tiles; ++b) copy_tile(a, b);
    });
}

}  // namespace heschl

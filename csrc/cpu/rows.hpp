// Rows of the lagged design, a block at a time: the one place where a frame meets its lags.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "heschl/view.hpp"

namespace heschl {

// out[k * d + f] = H[t - lags[k], f] - shift[f] inside [begin, end), 0 outside.
template <class T>
inline void lagged_row(Matrix<const T> H, Vector<const T> shift, int64_t t, int64_t begin, int64_t end, Lags lags,
                       T* out) {
    const int64_t d = H.cols;
    for (int64_t k = 0; k < lags.count; ++k, out += d) {
        const int64_t u = t - lags[k];
        if (u < begin || u >= end) {
            std::fill(out, out + d, T(0));
        } else if (!shift) {
            std::memcpy(out, H.row(u), static_cast<std::size_t>(d) * sizeof(T));
        } else {
            const T* h = H.row(u);
            for (int64_t f = 0; f < d; ++f) out[f] = h[f] - shift[f];
        }
    }
}

// Rows of a block: as many as BLAS itself packs at a time (more brought nothing), at most 64 MB of them.
inline int64_t block_rows(int64_t row_bytes) {
    constexpr int64_t block_bytes = int64_t{64} << 20;
    return std::clamp<int64_t>(block_bytes / std::max<int64_t>(1, row_bytes), 16, 256);
}

// Walks over all rows of the segments in blocks that may span several of them:
// fill(i, t, s) builds row i of the block from frame t of segment s, flush(rows) uses the block.
template <class Fill, class Flush>
void for_each_block(Segments segments, int64_t rows, const Fill& fill, const Flush& flush) {
    int64_t used = 0;
    for (int64_t s = 0; s < segments.count; ++s)
        for (int64_t t = segments.begin(s); t < segments.end(s); ++t) {
            fill(used, t, s);
            if (++used == rows) {
                flush(used);
                used = 0;
            }
        }
    if (used > 0) flush(used);
}

// A block of the lagged design with room for `rows` rows.
template <class T>
class DesignBlock {
 public:
    DesignBlock(int64_t total_rows, int64_t p)
        : capacity(std::min(block_rows(p * static_cast<int64_t>(sizeof(T))), std::max<int64_t>(1, total_rows))),
          p_(p),
          values_(static_cast<std::size_t>(capacity * p)) {}

    const int64_t capacity;
    T* row(int64_t i) { return values_.data() + i * p_; }
    Matrix<const T> first(int64_t rows) const { return {values_.data(), rows, p_, p_}; }

 private:
    int64_t p_;
    std::vector<T> values_;
};

inline int64_t total_rows(Segments segments) {
    int64_t total = 0;
    for (int64_t s = 0; s < segments.count; ++s) total += segments.end(s) - segments.begin(s);
    return total;
}

}  // namespace heschl

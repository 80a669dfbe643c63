// Rows of the lagged design, a block at a time: the one place where a frame meets its lags.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "heschl/blas.hpp"
#include "heschl/view.hpp"
#include "parallel.hpp"

namespace heschl {

// A row of the design: frame t, whose lags may reach into [low, high).
struct Row {
    int64_t t, low, high;
};

// out[f] = v[f] - shift[f]; without a shift, v.
template <class T>
inline void copy_shifted(const T* v, Vector<const T> shift, int64_t d, T* out) {
    if (!shift) {
        std::memcpy(out, v, static_cast<std::size_t>(d) * sizeof(T));
    } else {
        for (int64_t f = 0; f < d; ++f) out[f] = v[f] - shift[f];
    }
}

// out[k * d + f] = H[t - lags[k], f] - shift[f] inside [low, high), 0 outside.
template <class T>
inline void lagged_row(Frames<T> H, Vector<const T> shift, Row row, Lags lags, T* out) {
    const int64_t d = H.cols();
    for (int64_t k = 0; k < lags.count; ++k, out += d) {
        const int64_t u = row.t - lags[k];
        if (u < row.low || u >= row.high)
            std::fill(out, out + d, T(0));
        else
            copy_shifted(H.row(u), shift, d, out);
    }
}

// Rows of a block: as many as BLAS itself packs at a time (more brought nothing), at most 64 MB of them.
inline int64_t block_rows(int64_t row_bytes, int64_t total_rows) {
    constexpr int64_t block_bytes = int64_t{64} << 20;
    const int64_t fit = std::clamp<int64_t>(block_bytes / std::max<int64_t>(1, row_bytes), 16, 256);
    return std::min(fit, std::max<int64_t>(1, total_rows));
}

// use(rows) for all rows of the ranges, in blocks that may span several ranges.
template <class Use>
void for_each_block(Ranges ranges, int64_t capacity, const Use& use) {
    std::vector<Row> rows;
    rows.reserve(static_cast<std::size_t>(capacity));
    for (int64_t r = 0; r < ranges.count; ++r)
        for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t) {
            rows.push_back({t, ranges.low(r), ranges.high(r)});
            if (static_cast<int64_t>(rows.size()) == capacity) {
                use(rows);
                rows.clear();
            }
        }
    if (!rows.empty()) use(rows);
}

// Room for some rows of some width, filled by threads.
template <class T>
class Block {
 public:
    Block(int64_t rows, int64_t cols) : cols_(cols), values_(static_cast<std::size_t>(rows * cols)) {}

    T* row(int64_t i) { return values_.data() + i * cols_; }
    Matrix<T> first(int64_t rows) { return {values_.data(), rows, cols_, cols_}; }
    Matrix<const T> read(int64_t rows) const { return {values_.data(), rows, cols_, cols_}; }

    // write(i, row i) for the first `rows` rows.
    template <class Write>
    void fill(const Cpu& cpu, int64_t rows, const Write& write) {
        const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(1, cols_));
        parallel_for(cpu.n_threads, rows, grain, [&](int64_t first, int64_t last) {
            for (int64_t i = first; i < last; ++i) write(i, row(i));
        });
    }

 private:
    int64_t cols_;
    std::vector<T> values_;
};

// A block of the lagged design.
template <class T>
class DesignBlock : public Block<T> {
 public:
    DesignBlock(Frames<T> H, Vector<const T> shift, Lags lags, int64_t total_rows)
        : DesignBlock(H, shift, lags, lags.count * H.cols(), total_rows) {}

    const int64_t capacity;
    void fill(const Cpu& cpu, const std::vector<Row>& rows) {
        Block<T>::fill(cpu, static_cast<int64_t>(rows.size()),
                       [&](int64_t i, T* out) { lagged_row(H_, shift_, rows[i], lags_, out); });
    }

 private:
    DesignBlock(Frames<T> H, Vector<const T> shift, Lags lags, int64_t p, int64_t total_rows)
        : Block<T>(block_rows(p * static_cast<int64_t>(sizeof(T)), total_rows), p),
          capacity(block_rows(p * static_cast<int64_t>(sizeof(T)), total_rows)),
          H_(H),
          shift_(shift),
          lags_(lags) {}

    Frames<T> H_;
    Vector<const T> shift_;
    Lags lags_;
};

}  // namespace heschl

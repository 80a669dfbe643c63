// Rows of the lagged design without a design: frames laid out so that a lag is an offset.
#pragma once

#include <vector>

#include "device.hpp"

namespace heschl {

// A value of the features less its shift; 0 for frame -1. Readable on the device.
template <class T>
struct Reader {
    const T* values;
    int64_t stride;
    const int64_t* run;  // or none
    const T* shift;      // or none

    Reader(Frames<T> H, Vector<const T> by)
        : values(H.values.data), stride(H.values.stride), run(H.run), shift(by.data) {}
    Reader(Matrix<const T> Y, Vector<const T> by) : values(Y.data), stride(Y.stride), run(nullptr), shift(by.data) {}

    constexpr T operator()(int64_t frame, int64_t column) const {
        if (frame < 0) return T(0);
        const T value = values[(run ? run[frame] : frame) * stride + column];
        return shift ? value - shift[column] : value;
    }
    // The same in double, for sums in double.
    constexpr double exact(int64_t frame, int64_t column) const {
        const double value = static_cast<double>(values[(run ? run[frame] : frame) * stride + column]);
        return shift ? value - static_cast<double>(shift[column]) : value;
    }
};

// Some rows of some ranges. Before the rows of each range lie `w - 1` more: the history that its first lags look at.
// With L(i) the frame `history[i]`, row i of the design has L(i - k) at lag k, for the i that have a row[i] >= 0.
struct Layout {
    std::vector<int64_t> history;  // frame, or -1 where it lies outside [low, high)
    std::vector<int64_t> row;      // frame t of the design's row, or -1 in between
    int64_t first = 0;             // rows of the design before these
    int64_t size() const { return static_cast<int64_t>(row.size()); }
};

// use(layout) for all rows of the ranges, about `capacity` of them at a time.
template <class Use>
void for_each_layout(Ranges ranges, Lags lags, int64_t capacity, const Use& use) {
    Layout layout;
    const int64_t before = lags.count - 1;
    int64_t done = 0;
    const auto flush = [&] {
        if (layout.size() > 0) use(layout);
        layout.history.clear();
        layout.row.clear();
        layout.first = done;
    };
    for (int64_t r = 0; r < ranges.count; ++r)
        for (int64_t from = ranges.begin(r); from < ranges.end(r);) {
            if (layout.size() > 0 && layout.size() + before >= capacity) flush();
            const int64_t to = std::min(ranges.end(r), from + std::max<int64_t>(1, capacity - layout.size() - before));
            for (int64_t t = from - before; t < to; ++t) {
                const int64_t frame = t - lags.first;
                layout.history.push_back(frame >= ranges.low(r) && frame < ranges.high(r) ? frame : -1);
                layout.row.push_back(t >= from ? t : -1);
            }
            done += to - from;
            from = to;
        }
    flush();
}

// Rows of a layout that take at most block_bytes.
template <class T>
int64_t layout_rows(Lags lags, int64_t widest) {
    const int64_t fit = block_bytes / (std::max<int64_t>(1, widest) * int64_t{sizeof(T)});
    return std::max(fit, 4 * lags.count);
}

// out (rows, cols) = read(frames[i], j).
template <class T>
void fill_rows(const Cuda& cuda, const Reader<T>& read, const int64_t* frames, Matrix<T> out) {
    const int64_t cols = out.cols;
    if (!in_fours(out) || !in_fours(Matrix<const T>{read.values, 1, cols, read.stride})) {
        for_each(cuda, out.rows * cols, [=] __device__(int64_t at) {
            out.data[at / cols * out.stride + at % cols] = read(frames[at / cols], at % cols);
        });
        return;
    }
    for_each(cuda, out.rows * (cols / 4), [=] __device__(int64_t at) {
        const int64_t i = at / (cols / 4), j = at % (cols / 4) * 4, frame = frames[i];
        Four<T> found{};
        if (frame >= 0) found = four(read.values + (read.run ? read.run[frame] : frame) * read.stride + j);
        for (int64_t q = 0; q < 4; ++q)
            if (frame >= 0 && read.shift) found.at[q] -= read.shift[j + q];
        four(out.data + i * out.stride + j) = found;
    });
}

inline Buffer<int64_t> on_device(const Cuda& cuda, Ranges ranges) {
    return {cuda, std::vector<int64_t>(ranges.bounds, ranges.bounds + 4 * ranges.count)};
}

}  // namespace heschl

// Plain sums of frames over ranges, whose windows each lag, or pair of lags, moves a little: the sum over the rows, and
// for each window the few frames by which it differs, counted with their sign.
#pragma once

#include "rows.hpp"

namespace heschl {

constexpr int64_t stretch_frames = 128;  // that one thread goes through

// Window i * w + j of a range: frames u = t - lags[i] of rows t for which u and t - lags[j] lie in [low, high).
struct PairWindows {
    Lags lags;
    constexpr void operator()(int64_t slot, const int64_t* range, int64_t& first, int64_t& last) const {
        const int64_t i = slot / lags.count, j = slot % lags.count, lag = lags.first + i, apart = j - i;
        first = range[0] - lag;
        last = range[1] - lag;
        first = first > range[2] ? first : range[2];
        first = first > range[2] + apart ? first : range[2] + apart;
        last = last < range[3] ? last : range[3];
        last = last < range[3] + apart ? last : range[3] + apart;
    }
};

// Window i of a range: rows t for which t - lags[i] lies in [low, high).
struct TargetWindows {
    Lags lags;
    constexpr void operator()(int64_t slot, const int64_t* range, int64_t& first, int64_t& last) const {
        const int64_t lag = lags.first + slot;
        first = range[0] > range[2] + lag ? range[0] : range[2] + lag;
        last = range[1] < range[3] + lag ? range[1] : range[3] + lag;
    }
};

// out row 0 += sum of read(t, j) over the rows of the ranges, row 1 += sum of its square.
template <class T>
void add_sums_and_squares(const Cuda& cuda, const Reader<T>& read, int64_t cols, Ranges ranges, Matrix<double> out) {
    std::vector<int64_t> all;
    for (int64_t r = 0; r < ranges.count; ++r)
        for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t) all.push_back(t);
    const Buffer<int64_t> frames(cuda, all);
    const Buffer<double> sums(cuda, 2 * cols);
    const int64_t *frame = frames.data(), n = static_cast<int64_t>(all.size());
    column_sums(cuda, n, cols, [=] __device__(int64_t i, int64_t j) { return read.exact(frame[i], j); }, sums.data());
    column_sums(
        cuda, n, cols,
        [=] __device__(int64_t i, int64_t j) {
            const double value = read.exact(frame[i], j);
            return value * value;
        },
        sums.data() + cols);
    const double* found = sums.data();
    for_each(cuda, 2 * cols, [=] __device__(int64_t at) { out.data[at / cols * out.stride + at % cols] += found[at]; });
}

// sums[slot] += sum over ranges of read(u, j) for u in the range's window; counts[slot] += how many such u.
template <class T, class Windows>
void add_window_sums(const Cuda& cuda, const Reader<T>& read, int64_t cols, Ranges ranges, const Windows& windows,
                     int64_t slots, Matrix<double> sums, double* counts) {
    const Buffer<int64_t> bounds = on_device(cuda, ranges);
    const Buffer<double> over_rows(cuda, 2 * cols);
    over_rows.clear();
    add_sums_and_squares(cuda, read, cols, ranges, over_rows.matrix(2, cols));
    const int64_t *range = bounds.data(), n_ranges = ranges.count;
    const double* base = over_rows.data();
    for_each(cuda, slots * cols, [=] __device__(int64_t at) {
        const int64_t slot = at / cols, j = at % cols;
        double sum = base[j];
        for (int64_t r = 0; r < n_ranges; ++r) {
            const int64_t* own = range + 4 * r;
            int64_t first = 0, last = 0;
            windows(slot, own, first, last);
            if (first >= last) first = last = own[0];
            // From begin to first, and from last to end: away, or in addition where the window is the longer one.
            for (int64_t u = own[0]; u < first; ++u) sum -= read.exact(u, j);
            for (int64_t u = first; u < own[0]; ++u) sum += read.exact(u, j);
            for (int64_t u = last; u < own[1]; ++u) sum -= read.exact(u, j);
            for (int64_t u = own[1]; u < last; ++u) sum += read.exact(u, j);
        }
        sums.data[slot * sums.stride + j] += sum;
    });
    if (counts == nullptr) return;
    for_each(cuda, slots, [=] __device__(int64_t slot) {
        double count = 0.0;
        for (int64_t r = 0; r < n_ranges; ++r) {
            int64_t first = 0, last = 0;
            windows(slot, range + 4 * r, first, last);
            if (last > first) count += static_cast<double>(last - first);
        }
        counts[slot] += count;
    });
}

}  // namespace heschl

// Run-length features: a word's values count as often as frames need them, but are touched once for each word.
#pragma once

#include <cmath>

#include "heschl/kernels.hpp"
#include "rows.hpp"

namespace heschl {

// A stretch of frames [first, last) with one value: (part of) a run, and the range of rows through which it is seen.
struct Piece {
    int64_t first, last, range;
};

// out[f] += sum of h' over the frames [first, last) that lie in [low, high).
template <class T>
inline void add_window(Frames<T> H, Vector<const T> shift, int64_t first, int64_t last, int64_t low, int64_t high,
                       T* out) {
    const int64_t d = H.cols();
    first = std::max(first, low);
    last = std::min(last, high);
    while (first < last) {
        int64_t next = first + 1;
        if (H.run)
            while (next < last && H.run[next] == H.run[first]) ++next;
        const T times = static_cast<T>(next - first);
        const T* h = H.row(first);
        for (int64_t f = 0; f < d; ++f) out[f] += times * (h[f] - shift[f]);
        first = next;
    }
}

// use(pieces) for the runs met by frames t - lag, t in the rows and lag in [least, greatest], in blocks.
template <class T, class Use>
void for_each_piece_block(Frames<T> H, Ranges ranges, int64_t least, int64_t greatest, int64_t capacity,
                          const Use& use) {
    std::vector<Piece> pieces;
    pieces.reserve(static_cast<std::size_t>(capacity));
    for (int64_t r = 0; r < ranges.count; ++r) {
        int64_t first = std::max(ranges.begin(r) - greatest, ranges.low(r));
        const int64_t stop = std::min(ranges.end(r) - least, ranges.high(r));
        while (first < stop) {
            int64_t last = first + 1;
            while (last < stop && H.run[last] == H.run[first]) ++last;
            pieces.push_back({first, last, r});
            if (static_cast<int64_t>(pieces.size()) == capacity) {
                use(pieces);
                pieces.clear();
            }
            first = last;
        }
    }
    if (!pieces.empty()) use(pieces);
}

// A block of the values of some pieces' runs, one row a piece.
template <class T>
void fill_values(const Cpu& cpu, Frames<T> H, Vector<const T> shift, const std::vector<Piece>& pieces, Block<T>& out) {
    out.fill(cpu, static_cast<int64_t>(pieces.size()),
             [&](int64_t i, T* row) { copy_shifted(H.row(pieces[i].first), shift, H.cols(), row); });
}

}  // namespace heschl

// Series packed into bins of N frames, to be multiplied by frequency: each piece stands apart from the next by as many
// zeros as lags reach, so the circular correlation of a bin is the sum of the correlations of its pieces.
#pragma once

#include <vector>

#include "heschl/kernels.hpp"

namespace heschl {

// Frames [first, last) of a series stand from frame `offset` of a bin on.
struct Placed {
    int64_t first, last, bin, offset;
};

// How many bins of how many frames, and what multiplying them costs in operations of a large matrix product.
struct BinCount {
    int64_t size = 0;  // N, a multiple of 4
    int64_t added = 0, removed = 0;
    double operations = 0;
};

// The cheapest bins for sums over w lags between d and c columns.
BinCount cheapest_bins(Ranges ranges, Lags lags, int64_t d, int64_t c, Product product);

// Where the frames stand. Of one series with itself: the sum over rows t of h(t - lag_k) h(t - lag_0)' is that over all
// pairs of frames in the windows seen, less the pairs in the history before them, which has bins of its own: those from
// `added` on are taken away. Of two series, `right` says where the rows stand, which see the windows in `left`.
struct Packing {
    int64_t size, added, count;
    std::vector<Placed> left, right;  // by bin
};
Packing pack(Ranges ranges, Lags lags, int64_t size, Product product);

}  // namespace heschl

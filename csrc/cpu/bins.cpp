#include "bins.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace heschl {
namespace {

// Times of steps over that of a large product of as many operations, measured: products of some hundred rows, the
// transform's of N / 4, and the way back, where each product is read once for w lags. By lag, each number of the design
// is written first; by frequency, BLAS is called some times for each: in operations that take as long.
constexpr double product_slowness = 1.3, transform_slowness = 3.0, return_slowness = 3.5, design_operations = 60.0,
                 call_operations = 2e5;

// Frames that stand together: frames [first, last) of a window, of which those before `seen` are history only.
struct Window {
    int64_t first, seen, last;
};

// What the rows of range r see at lag_0, and the history that further lags reach.
Window window_of(Ranges ranges, int64_t r, Lags lags) {
    const int64_t seen = std::max(ranges.low(r), ranges.begin(r) - lags[0]);
    const int64_t last = std::max(seen, std::min(ranges.high(r), ranges.end(r) - lags[0]));
    return {std::max(ranges.low(r), seen - (lags.count - 1)), seen, last};
}

// The window in pieces of at most `most` frames that each bring their history; use(piece).
template <class Use>
void cut(Window window, int64_t reach, int64_t most, const Use& use) {
    while (window.seen < window.last) {
        const int64_t last = std::min(window.last, window.first + most);
        use(Window{window.first, window.seen, last});
        window = {last - reach, last, window.last};
    }
}

// use(piece, added or removed) for all pieces of one series with itself.
template <class Use>
void for_each_piece_of_one(Ranges ranges, Lags lags, int64_t size, const Use& use) {
    const int64_t reach = lags.count - 1;
    for (int64_t r = 0; r < ranges.count; ++r)
        cut(window_of(ranges, r, lags), reach, size - reach, [&](Window piece) {
            use(Window{piece.first, piece.first, piece.last}, true);
            if (piece.seen > piece.first) use(Window{piece.first, piece.first, piece.seen}, false);
        });
}

// The same for rows, which are `right`, that see a window of `left`: here history costs no more than the zeros that
// would stand in its place. Rows of responses may lie behind the window that they see.
template <class Use>
void for_each_piece_of_two(Ranges ranges, Lags lags, int64_t size, Product product, const Use& use) {
    const int64_t reach = lags.count - 1, behind = product == Product::responses ? reach : 0;
    for (int64_t r = 0; r < ranges.count; ++r) {
        const int64_t end = std::min(ranges.high(r) + behind, ranges.end(r) - lags[0]);
        for (int64_t first = std::max(ranges.low(r), ranges.begin(r) - lags[0]); first < end; first += size - reach) {
            const int64_t last = std::min(end, first + size - reach);
            use(Window{std::max(ranges.low(r), first - reach), first, last}, std::min(ranges.high(r), last));
        }
    }
}

// Bins for pieces of given sizes, best fit, largest first: each into the fullest bin that has room for it.
class Packer {
 public:
    explicit Packer(int64_t size) : room_(static_cast<std::size_t>(size + 1)) {}

    // Into which bin, and from where on.
    std::pair<int64_t, int64_t> put(int64_t length) {
        const auto size = static_cast<int64_t>(room_.size()) - 1;
        int64_t room = length;
        while (room <= size && room_[room].empty()) ++room;
        int64_t bin = count;
        if (room > size) {
            room = size;
            ++count;
        } else {
            bin = room_[room].back();
            room_[room].pop_back();
        }
        room_[room - length].push_back(bin);
        return {bin, size - room};
    }

    int64_t count = 0;

 private:
    std::vector<std::vector<int64_t>> room_;  // bins by the frames that are left in them
};

// How many bins pieces take, of which times[length] have that length.
int64_t bins_taken(const std::vector<int64_t>& times, int64_t size) {
    std::vector<int64_t> room(static_cast<std::size_t>(size + 1));
    int64_t bins = 0;
    for (int64_t length = size; length > 0; --length) {
        int64_t left = times[length];
        if (left == 0) continue;
        for (int64_t free = length; free < size && left > 0; ++free) {
            const int64_t moved = std::min(left, room[free]);
            room[free] -= moved;
            room[free - length] += moved;
            left -= moved;
        }
        const int64_t each = size / length, opened = (left + each - 1) / each;
        bins += opened;
        if (opened > 0) {
            room[size - each * length] += left / each;
            if (left % each > 0) room[size - left % each * length] += 1;
        }
    }
    return bins;
}

double operations_of(const BinCount& bins, int64_t w, int64_t d, int64_t c, Product product) {
    const bool same = product == Product::itself;
    const auto n = static_cast<double>(bins.size), count = static_cast<double>(bins.added + bins.removed);
    const auto left = static_cast<double>(d), right = static_cast<double>(c);
    const double products = (same ? 2.0 : 4.0) * n * count * left * right;
    const double transforms = n * n / 2 * count * (same ? left : left + right);
    const double way_back = (same ? 1.0 : 2.0) * static_cast<double>(w) * n * left * right;
    return product_slowness * products + transform_slowness * transforms + return_slowness * way_back +
           call_operations * n;
}

int64_t length(Window piece) { return piece.last - piece.first; }

void largest_first(std::vector<Window>& pieces) {
    std::stable_sort(pieces.begin(), pieces.end(), [](Window a, Window b) { return length(a) > length(b); });
}

}  // namespace

BinCount cheapest_bins(Ranges ranges, Lags lags, int64_t d, int64_t c, Product product) {
    constexpr int64_t step = 16, most = 512;
    const int64_t reach = lags.count - 1;
    BinCount best;
    for (int64_t size = (2 * reach + step) / step * step; size <= std::max(most, 4 * lags.count); size += step) {
        std::vector<int64_t> added(static_cast<std::size_t>(size + 1)), removed(added);
        if (product == Product::itself)
            for_each_piece_of_one(ranges, lags, size, [&](Window piece, bool is_added) {
                ++(is_added ? added : removed)[length(piece) + reach];
            });
        else
            for_each_piece_of_two(ranges, lags, size, product,
                                  [&](Window piece, int64_t) { ++added[piece.last - piece.seen + reach]; });
        BinCount bins{size, bins_taken(added, size), bins_taken(removed, size), 0};
        bins.operations = operations_of(bins, lags.count, d, c, product);
        if (best.size == 0 || bins.operations < best.operations) best = bins;
    }
    return best;
}

SumOperations sum_operations(Ranges ranges, Lags lags, int64_t d_a, int64_t d_b, Product product, bool on_gpu) {
    const double numbers = static_cast<double>(ranges.rows()) * static_cast<double>(lags.count * d_a);
    const BinCount bins = cheapest_bins(ranges, lags, d_a, d_b, product);
    if (!on_gpu) return {numbers * (2.0 * static_cast<double>(d_b) + design_operations), bins.operations};
    // There no step is slower than another; tiles of a square do a third more than its triangle, transforms do not
    // fold.
    const bool same = product == Product::itself;
    const auto n = static_cast<double>(bins.size), count = static_cast<double>(bins.added + bins.removed);
    const auto left = static_cast<double>(d_a), right = static_cast<double>(d_b);
    return {numbers * 2.0 * right, (same ? 2.7 : 4.0) * n * count * left * right +
                                       3.0 * n * n * count * (same ? left : left + right) +
                                       2.0 * static_cast<double>(lags.count) * n * left * right};
}

Packing pack(Ranges ranges, Lags lags, int64_t size, Product product) {
    const int64_t reach = lags.count - 1;
    Packing out{size, 0, 0, {}, {}};
    if (product == Product::itself) {
        std::vector<Window> added, removed;
        for_each_piece_of_one(ranges, lags, size,
                              [&](Window piece, bool is_added) { (is_added ? added : removed).push_back(piece); });
        for (auto* pieces : {&added, &removed}) {
            largest_first(*pieces);
            Packer packer(size);
            for (const auto& piece : *pieces) {
                const auto [bin, offset] = packer.put(length(piece) + reach);
                out.left.push_back({piece.first, piece.last, out.count + bin, offset});
            }
            out.count += packer.count;
            if (pieces == &added) out.added = out.count;
        }
    } else {
        for_each_piece_of_two(ranges, lags, size, product, [&](Window piece, int64_t last) {
            out.left.push_back({piece.first, last, 0, 0});
            out.right.push_back({piece.seen, piece.last, 0, 0});
        });
        std::vector<std::size_t> order(out.left.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        const auto rows = [&](std::size_t i) { return out.right[i].last - out.right[i].first; };
        std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return rows(i) > rows(j); });
        Packer packer(size);
        for (const auto i : order) {
            const auto [bin, offset] = packer.put(rows(i) + reach);
            const int64_t at = offset + reach;  // where the rows stand, behind their history
            out.left[i].bin = out.right[i].bin = bin;
            out.left[i].offset = at - (out.right[i].first - out.left[i].first);
            out.right[i].offset = at;
        }
        out.added = out.count = packer.count;
    }
    const auto by_bin = [](const Placed& a, const Placed& b) { return a.bin < b.bin; };
    std::stable_sort(out.left.begin(), out.left.end(), by_bin);
    std::stable_sort(out.right.begin(), out.right.end(), by_bin);
    return out;
}

}  // namespace heschl

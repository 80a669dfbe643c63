// Plain sums of frames over ranges that each lag, or pair of lags, moves a little: one sum, then a few edge frames.
#pragma once

#include <map>
#include <tuple>

#include "rows.hpp"

namespace heschl {

// Frames left out at the begin and at the end of a range of rows; below 0, frames taken in beyond them.
struct Trim {
    int64_t head, tail;
};

// How much room the history of a range leaves, up to where no lag sees it, and its length if that is short: ranges of
// one kind are trimmed alike.
using Kind = std::tuple<int64_t, int64_t, int64_t>;  // begin - low, high - end, length

inline Kind kind_of(Ranges ranges, int64_t r, int64_t reach) {
    return {std::min(ranges.begin(r) - ranges.low(r), reach), std::min(ranges.high(r) - ranges.end(r), reach),
            std::min(ranges.end(r) - ranges.begin(r), 2 * reach)};
}

// Sums over ranges of one kind. table[e] for e in [least, most]: the sum of the first e frames; for e < 0 minus the
// sum of the -e frames before. With towards = -1 the same from the end. Frames outside [low, high) count 0.
struct EdgeTable {
    int64_t least, most, d;
    std::vector<double> values;

    EdgeTable(int64_t from, int64_t to, int64_t cols)
        : least(std::min<int64_t>(from, 0)),
          most(std::max<int64_t>(to, 0)),
          d(cols),
          values(static_cast<std::size_t>((most - least + 1) * cols)) {}

    double* at(int64_t e) { return values.data() + (e - least) * d; }
    const double* at(int64_t e) const { return values.data() + (e - least) * d; }

    template <class T>
    void add(Frames<T> V, Vector<const T> shift, int64_t edge, int64_t towards, int64_t low, int64_t high) {
        std::vector<double> running(static_cast<std::size_t>(d));
        const auto walk = [&](int64_t first, int64_t step, int64_t count, double sign) {
            std::fill(running.begin(), running.end(), 0.0);
            for (int64_t e = 1; e <= count; ++e, first += step) {
                if (first >= low && first < high) {
                    const T* v = V.row(first);
                    for (int64_t f = 0; f < d; ++f)
                        running[f] += static_cast<double>(v[f]) - static_cast<double>(shift[f]);
                }
                double* entry = at(sign > 0 ? e : -e);
                for (int64_t f = 0; f < d; ++f) entry[f] += sign * running[f];
            }
        };
        const int64_t inner = towards > 0 ? edge : edge - 1, outer = towards > 0 ? edge - 1 : edge;
        walk(inner, towards, most, 1.0);
        walk(outer, -towards, -least, -1.0);
    }
};

// sums[i] += sum over ranges of V[t] - shift for t in [begin + head_i, end - tail_i); counts[i] += the number of such
// t. trims_of(begin - low, high - end) tells the trims of a range.
template <class T, class TrimsOf>
void add_trimmed_sums(Frames<T> V, Vector<const T> shift, Ranges ranges, int64_t reach, const TrimsOf& trims_of,
                      Matrix<double> sums, double* counts) {
    std::map<Kind, std::vector<int64_t>> kinds;
    for (int64_t r = 0; r < ranges.count; ++r) kinds[kind_of(ranges, r, reach)].push_back(r);
    const int64_t d = V.cols();
    for (const auto& [kind, members] : kinds) {
        const std::vector<Trim> trims = trims_of(std::get<0>(kind), std::get<1>(kind));
        Trim least{0, 0}, most{0, 0};
        for (const auto& [head, tail] : trims) {
            least = {std::min(least.head, head), std::min(least.tail, tail)};
            most = {std::max(most.head, head), std::max(most.tail, tail)};
        }
        EdgeTable head(least.head, most.head, d), tail(least.tail, most.tail, d);
        std::vector<double> all(static_cast<std::size_t>(d));
        int64_t frames = 0;
        for (const int64_t r : members) {
            for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t) {
                const T* v = V.row(t);
                for (int64_t f = 0; f < d; ++f) all[f] += static_cast<double>(v[f]) - static_cast<double>(shift[f]);
            }
            head.add(V, shift, ranges.begin(r), 1, ranges.low(r), ranges.high(r));
            tail.add(V, shift, ranges.end(r), -1, ranges.low(r), ranges.high(r));
            frames += ranges.end(r) - ranges.begin(r);
        }
        const auto n_members = static_cast<int64_t>(members.size());
        for (std::size_t i = 0; i < trims.size(); ++i) {
            const int64_t left = frames - n_members * (trims[i].head + trims[i].tail);
            if (left <= 0)
                continue;  // shorter than the trim, all of them: ranges of a kind this short are equally long
            const double *h = head.at(trims[i].head), *l = tail.at(trims[i].tail);
            double* out = sums.row(static_cast<int64_t>(i));
            for (int64_t f = 0; f < d; ++f) out[f] += all[f] - h[f] - l[f];
            if (counts) counts[i] += static_cast<double>(left);
        }
    }
}

// No lag, nor difference of two lags, reaches further than this.
inline int64_t reach_of(Lags lags) { return std::max(std::abs(lags[0]), std::abs(lags[lags.count - 1])) + lags.count; }

// Row i * w + j: sum over t in the rows of 1_j(t) h'(t - lags[i]), and the number of such frames.
template <class T>
void add_pair_sums(Frames<T> H, Vector<const T> shift, Ranges ranges, Lags lags, Matrix<double> sums,
                   Vector<double> counts) {
    const auto trims = [&](int64_t before, int64_t after) {
        std::vector<Trim> out;
        for (int64_t i = 0; i < lags.count; ++i)
            for (int64_t j = 0; j < lags.count; ++j)
                // u = t - lags[i] for t in the rows, u and u + lags[i] - lags[j] in [low, high)
                out.push_back({std::max<int64_t>({-lags[i], -before, j - i - before}),
                               std::max<int64_t>({lags[i], -after, i - j - after})});
        return out;
    };
    add_trimmed_sums(H, shift, ranges, reach_of(lags), trims, sums, counts.data);
}

// Row i: sum over t in the rows of 1_i(t) y'(t).
template <class T>
void add_target_sums(Matrix<const T> Y, Vector<const T> shift, Ranges ranges, Lags lags, Matrix<double> sums) {
    const auto trims = [&](int64_t before, int64_t after) {
        std::vector<Trim> out;
        for (int64_t i = 0; i < lags.count; ++i)
            out.push_back({std::max<int64_t>(0, lags[i] - before), std::max<int64_t>(0, -lags[i] - after)});
        return out;
    };
    add_trimmed_sums(Frames<T>{Y, nullptr, Y.rows}, shift, ranges, reach_of(lags), trims, sums, nullptr);
}

// Row 0: sum of V - shift over the rows; row 1: sum of its square.
template <class T>
void add_sums_and_squares(Frames<T> V, Vector<const T> shift, Ranges ranges, Matrix<double> out) {
    double *sum = out.row(0), *square = out.row(1);
    for (int64_t r = 0; r < ranges.count; ++r)
        for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t) {
            const T* v = V.row(t);
            for (int64_t f = 0; f < V.cols(); ++f) {
                const double x = static_cast<double>(v[f]) - static_cast<double>(shift[f]);
                sum[f] += x;
                square[f] += x * x;
            }
        }
}

// use(first, count) on slices of columns, by threads: sums of one column need no other.
template <class Use>
void for_each_slice(const Cpu& cpu, int64_t cols, const Use& use) {
    constexpr int64_t line = 64;  // fewer columns would share what is read from memory
    parallel_for(cpu.n_threads, (cols + line - 1) / line, 1,
                 [&](int64_t begin, int64_t end) { use(begin * line, std::min(cols, end * line) - begin * line); });
}

template <class T>
Frames<T> slice(Frames<T> V, int64_t first, int64_t count) {
    return {{V.values.data + first, V.values.rows, count, V.values.stride}, V.run, V.count};
}

template <class T>
Vector<T> slice(Vector<T> v, int64_t first, int64_t count) {
    return {v.data + first, count};
}

template <class T>
Matrix<T> slice(Matrix<T> M, int64_t first, int64_t count) {
    return {M.data + first, M.rows, count, M.stride};
}

}  // namespace heschl

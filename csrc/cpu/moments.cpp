// Lagged moments: one pass over the frames. 2 n p d + 2 n p c operations in BLAS, everything else is O(n d + w^2 d).
#include <utility>

#include "heschl/kernels.hpp"
#include "rows.hpp"

namespace heschl {
namespace {

// Frames left out at the begin and at the end of a segment.
using Trim = std::pair<int64_t, int64_t>;

// Sums of the first 0, 1, ..., most frames (towards = 1 from the begin, -1 from the end) added to table.
template <class T>
void add_running_sums(Matrix<const T> V, Vector<const T> shift, int64_t from, int towards, int64_t most,
                      std::vector<double>& table) {
    const int64_t d = V.cols;
    std::vector<double> running(static_cast<std::size_t>(d), 0.0);
    for (int64_t e = 0; e < most; ++e) {
        const T* v = V.row(from + towards * e);
        double* entry = table.data() + (e + 1) * d;
        for (int64_t f = 0; f < d; ++f) {
            running[f] += static_cast<double>(v[f]) - static_cast<double>(shift[f]);
            entry[f] += running[f];
        }
    }
}

// The sums of one segment, or of several that are all longer than any trim and so may be added before trimming.
struct EdgeSums {
    std::vector<double> all, head, tail;  // (d), (longest head + 1, d), (longest tail + 1, d)
    int64_t frames = 0, segments = 0;

    EdgeSums(int64_t d, Trim longest)
        : all(static_cast<std::size_t>(d)),
          head(static_cast<std::size_t>((longest.first + 1) * d)),
          tail(static_cast<std::size_t>((longest.second + 1) * d)) {}

    template <class T>
    void add(Matrix<const T> V, Vector<const T> shift, int64_t begin, int64_t end, Trim longest) {
        for (int64_t t = begin; t < end; ++t) {
            const T* v = V.row(t);
            for (int64_t f = 0; f < V.cols; ++f) all[f] += static_cast<double>(v[f]) - static_cast<double>(shift[f]);
        }
        add_running_sums(V, shift, begin, 1, longest.first, head);
        add_running_sums(V, shift, end - 1, -1, longest.second, tail);
        frames += end - begin;
        segments += 1;
    }

    void read(const std::vector<Trim>& trims, Matrix<double> sums, double* counts) const {
        const int64_t d = sums.cols;
        for (std::size_t r = 0; r < trims.size(); ++r) {
            const auto [p, q] = trims[r];
            const int64_t left = frames - segments * (p + q);
            if (left <= 0) continue;  // one segment, shorter than the trim
            const double *h = head.data() + p * d, *l = tail.data() + q * d;
            double* out = sums.row(static_cast<int64_t>(r));
            for (int64_t f = 0; f < d; ++f) out[f] += all[f] - h[f] - l[f];
            if (counts) counts[r] += static_cast<double>(left);
        }
    }
};

// sums[r] += sum over segments of V[t] - shift for t in [begin + p_r, end - q_r); counts[r] += the number of such t.
template <class T>
void add_trimmed_sums(Matrix<const T> V, Vector<const T> shift, Segments segments, const std::vector<Trim>& trims,
                      Matrix<double> sums, double* counts) {
    Trim longest{0, 0};
    int64_t widest = 0;
    for (const auto& [p, q] : trims) {
        longest = {std::max(longest.first, p), std::max(longest.second, q)};
        widest = std::max(widest, p + q);
    }
    // Segments no shorter than every trim are summed first and trimmed once; the short ones one by one.
    std::vector<int64_t> shorter;
    int64_t n_long = 0;
    for (int64_t s = 0; s < segments.count; ++s)
        if (segments.end(s) - segments.begin(s) >= widest)
            ++n_long;
        else
            shorter.push_back(s);
    if (n_long > 0) {
        EdgeSums together(V.cols, longest);
        for (int64_t s = 0; s < segments.count; ++s)
            if (segments.end(s) - segments.begin(s) >= widest)
                together.add(V, shift, segments.begin(s), segments.end(s), longest);
        together.read(trims, sums, counts);
    }
    for (const int64_t s : shorter) {
        const int64_t length = segments.end(s) - segments.begin(s);
        const Trim most{std::min(longest.first, length), std::min(longest.second, length)};
        EdgeSums alone(V.cols, most);
        alone.add(V, shift, segments.begin(s), segments.end(s), most);
        alone.read(trims, sums, counts);
    }
}

template <class T>
void add_sums_and_squares(Matrix<const T> V, Vector<const T> shift, Segments segments, Matrix<double> out) {
    double *sum = out.row(0), *square = out.row(1);
    for (int64_t s = 0; s < segments.count; ++s)
        for (int64_t t = segments.begin(s); t < segments.end(s); ++t) {
            const T* v = V.row(t);
            for (int64_t f = 0; f < V.cols; ++f) {
                const double x = static_cast<double>(v[f]) - static_cast<double>(shift[f]);
                sum[f] += x;
                square[f] += x * x;
            }
        }
}

}  // namespace

template <class T>
void lagged_moments(const Cpu& cpu, Matrix<const T> H, Matrix<const T> Y, Vector<const T> h_shift,
                    Vector<const T> y_shift, Segments segments, Lags lags, MomentViews<T> out) {
    const int64_t d = H.cols, c = Y.cols, w = lags.count, p = w * d;
    require(Y.rows == H.rows && h_shift.size == d && y_shift.size == c, "lagged_moments: H (n, d) and Y (n, c) differ");
    require(out.first_column.rows == p && out.first_column.cols == d, "lagged_moments: first_column must be (p, d)");
    require(out.cross.rows == p && out.cross.cols == c, "lagged_moments: cross must be (p, c)");
    require(out.edges.rows == segments.count && out.edges.cols == p, "lagged_moments: edges must be (s, p)");

    DesignBlock<T> block(total_rows(segments), p);
    std::vector<T> responses(static_cast<std::size_t>(block.capacity * c));
    for_each_block(
        segments, block.capacity,
        [&](int64_t i, int64_t t, int64_t s) {
            lagged_row(H, h_shift, t, segments.begin(s), segments.end(s), lags, block.row(i));
            for (int64_t j = 0; j < c; ++j) responses[i * c + j] = Y.row(t)[j] - y_shift[j];
        },
        [&](int64_t rows) {
            const Matrix<const T> X = block.first(rows), first_lag{X.data, rows, d, X.stride};
            gemm<T>(cpu, true, false, T(1), X, first_lag, T(1), out.first_column);
            gemm<T>(cpu, true, false, T(1), X, {responses.data(), rows, c, c}, T(1), out.cross);
        });

    for (int64_t s = 0; s < segments.count; ++s) {
        const int64_t begin = segments.begin(s), end = segments.end(s);
        for (int64_t i = 0; i < w; ++i)
            lagged_row(H, h_shift, lags[i] >= 0 ? end - 1 : begin - 1, begin, end, {lags[i], 1},
                       out.edges.row(s) + i * d);
    }

    std::vector<Trim> pairs, single;
    for (int64_t i = 0; i < w; ++i) {
        // t and t - lags[i] and t - lags[j] in the segment, told as limits on u = t - lags[i]
        for (int64_t j = 0; j < w; ++j)
            pairs.emplace_back(std::max<int64_t>({0, lags[j] - lags[i], -lags[i]}),
                               std::max<int64_t>({0, lags[i] - lags[j], lags[i]}));
        single.emplace_back(std::max<int64_t>(0, lags[i]), std::max<int64_t>(0, -lags[i]));
    }
    add_trimmed_sums(H, h_shift, segments, pairs, out.pair_sums, out.pair_counts.data);
    add_trimmed_sums(Y, y_shift, segments, single, out.target_sums, nullptr);
    add_sums_and_squares(H, h_shift, segments, out.feature_sums);
    add_sums_and_squares(Y, y_shift, segments, out.totals);
}

template void lagged_moments(const Cpu&, Matrix<const float>, Matrix<const float>, Vector<const float>,
                             Vector<const float>, Segments, Lags, MomentViews<float>);
template void lagged_moments(const Cpu&, Matrix<const double>, Matrix<const double>, Vector<const double>,
                             Vector<const double>, Segments, Lags, MomentViews<double>);

}  // namespace heschl

// Lagged moments, by frequency (spectral.cu) or by one batched product over the lags, straight from the frames, of
// 2 n p (d + c) operations. Word-rate features are spread to frames a block at a time: here products cost less than a
// search for runs.
#include "heschl/cuda.hpp"
#include "rows.hpp"
#include "sums.hpp"

namespace heschl {

template <class T>
void sum_by_lag(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    const int64_t w = lags.count, before = w - 1, d = A.cols(), cols = B.cols();
    if (cols == 0 || ranges.count == 0) return;
    const Reader<T> a(A, a_shift), right(B, b_shift);
    const Buffer<T> products(cuda, w * d * cols);  // lag w - 1 first: from one to the next the history moves on a row
    bool first = true;
    for_each_layout(ranges, lags, layout_rows<T>(lags, std::max(d, cols)), [&](const Layout& layout) {
        const int64_t n = layout.size();
        std::vector<int64_t> now = layout.row;
        if (product != Product::responses)
            for (int64_t i = 0; i < n; ++i) now[i] = now[i] < 0 ? -1 : layout.history[i];
        const Buffer<int64_t> history(cuda, layout.history), at(cuda, now);
        const Buffer<T> left(cuda, n * d), values(cuda, n * cols);
        fill_rows(cuda, a, history.data(), left.matrix(n, d));
        fill_rows(cuda, right, at.data(), values.matrix(n, cols));
        const int64_t rows = n - before;
        gemm_moving<T>(cuda, true, false, T(1), {left.data(), rows, d, d}, d,
                       {values.data() + before * cols, rows, cols, cols}, 0, first ? T(0) : T(1),
                       products.matrix(d, cols), d * cols, w);
        first = false;
    });
    const T* found = products.data();
    for_each(cuda, w * d * cols, [=] __device__(int64_t at) {
        const int64_t row = at / cols, j = at % cols, k = row / d, f = row % d;
        out.data[row * out.stride + j] += found[((w - 1 - k) * d + f) * cols + j];
    });
}

// The sums by whichever way costs less.
template <class T>
void lagged_sum(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    const auto [by_lag, by_frequency] = sum_operations(ranges, lags, A.cols(), B.cols(), product, true);
    if (by_frequency < by_lag)
        sum_by_frequency(cuda, A, a_shift, B, b_shift, product, ranges, lags, out);
    else
        sum_by_lag(cuda, A, a_shift, B, b_shift, product, ranges, lags, out);
}

template <class T>
void lagged_pair(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                 Ranges ranges, Lags lags, Matrix<T> first_column) {
    require(first_column.rows == lags.count * A.cols() && first_column.cols == B.cols(),
            "lagged_pair: first_column must be (n_lags * d_a, d_b)");
    lagged_sum(cuda, A, a_shift, B, b_shift, Product::features, ranges, lags, first_column);
}

// edges[r] = the design's row at end - 1, or at begin - 1, of each range.
template <class T>
void fill_edges(const Cuda& cuda, const Reader<T>& read, Ranges ranges, Lags lags, bool at_end, Matrix<T> edges) {
    const Buffer<int64_t> bounds = on_device(cuda, ranges);
    const int64_t *range = bounds.data(), p = edges.cols, d = p / lags.count;
    for_each(cuda, edges.rows * p, [=] __device__(int64_t at) {
        const int64_t r = at / p, k = at % p / d, f = at % d;
        const int64_t *own = range + 4 * r, frame = (at_end ? own[1] : own[0]) - 1 - (lags.first + k);
        edges.data[r * edges.stride + at % p] = read(frame >= own[2] && frame < own[3] ? frame : -1, f);
    });
}

template <class T>
void lagged_moments(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags,
                    FeatureMoments<T> out) {
    const int64_t d = H.cols(), w = lags.count, p = w * d;
    require(h_shift.size == d, "lagged_moments: h_shift must be (d)");
    require(out.first_column.rows == p && out.first_column.cols == d, "lagged_moments: first_column must be (p, d)");
    require(out.pair_sums.rows == w * w && out.pair_sums.cols == d && out.pair_counts.size == w * w,
            "lagged_moments: pair_sums must be (w * w, d), pair_counts (w * w)");
    const Matrix<T> both[] = {out.leaving, out.entering};
    for (const Matrix<T>& edges : both)
        require(edges.cols == p && (edges.rows == ranges.count || edges.rows == 0),
                "lagged_moments: leaving and entering must be (r, p) or (0, p)");
    const Reader<T> read(H, h_shift);
    lagged_sum(cuda, H, h_shift, H, h_shift, Product::itself, ranges, lags, out.first_column);
    fill_edges(cuda, read, ranges, lags, true, out.leaving);
    fill_edges(cuda, read, ranges, lags, false, out.entering);
    add_window_sums(cuda, read, d, ranges, PairWindows{lags}, w * w, out.pair_sums, out.pair_counts.data);
}

template <class T>
void lagged_targets(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Matrix<const T> Y, Vector<const T> y_shift,
                    Ranges ranges, Lags lags, TargetMoments<T> out) {
    const int64_t d = H.cols(), c = Y.cols, w = lags.count;
    require(Y.rows == H.count && h_shift.size == d && y_shift.size == c,
            "lagged_targets: H (n, d) and Y (n, c) differ");
    require(out.cross.rows == w * d && out.cross.cols == c, "lagged_targets: cross must be (p, c)");
    require(out.target_sums.rows == w && out.target_sums.cols == c && out.totals.rows == 2 && out.totals.cols == c,
            "lagged_targets: target_sums must be (w, c), totals (2, c)");
    const Reader<T> read(Y, y_shift);
    lagged_sum(cuda, H, h_shift, {Y, nullptr, Y.rows}, y_shift, Product::responses, ranges, lags, out.cross);
    add_window_sums(cuda, read, c, ranges, TargetWindows{lags}, w, out.target_sums, nullptr);
    add_sums_and_squares(cuda, read, c, ranges, out.totals);
}

template <class T>
void feature_statistics(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Matrix<double> sums,
                        Matrix<T> extremes) {
    const int64_t d = H.cols();
    require(sums.rows == 2 && sums.cols == d && extremes.rows == 2 * ranges.count && extremes.cols == d,
            "feature_statistics: sums must be (2, d), extremes (2 r, d)");
    add_sums_and_squares(cuda, Reader<T>(H, h_shift), d, ranges, sums);
    const Reader<T> as_given(H, Vector<const T>{});
    // Stretches of frames first, then the stretches of each range: one long recording is as parallel as sentences.
    std::vector<int64_t> stretches, owned{0};
    for (int64_t r = 0; r < ranges.count; ++r) {
        for (int64_t t = ranges.begin(r); t < ranges.end(r); t += stretch_frames) {
            stretches.push_back(t);
            stretches.push_back(std::min(t + stretch_frames, ranges.end(r)));
        }
        owned.push_back(static_cast<int64_t>(stretches.size()) / 2);
    }
    const int64_t count = owned.back();
    const Buffer<int64_t> pieces(cuda, stretches), owners(cuda, owned);
    const Buffer<T> ends(cuda, 2 * count * d);
    const int64_t *piece = pieces.data(), *owner = owners.data();
    T* found = ends.data();
    for_each(cuda, count * d, [=] __device__(int64_t at) {
        const int64_t q = at / d, f = at % d;
        T least = as_given(piece[2 * q], f), greatest = least;
        for (int64_t t = piece[2 * q] + 1; t < piece[2 * q + 1]; ++t) {
            const T value = as_given(t, f);
            least = value < least ? value : least;
            greatest = value > greatest ? value : greatest;
        }
        found[2 * q * d + f] = least;
        found[(2 * q + 1) * d + f] = greatest;
    });
    for_each(cuda, ranges.count * d, [=] __device__(int64_t at) {
        const int64_t r = at / d, f = at % d;
        T least = found[2 * owner[r] * d + f], greatest = found[(2 * owner[r] + 1) * d + f];
        for (int64_t q = owner[r] + 1; q < owner[r + 1]; ++q) {
            const T low = found[2 * q * d + f], high = found[(2 * q + 1) * d + f];
            least = low < least ? low : least;
            greatest = high > greatest ? high : greatest;
        }
        extremes.data[2 * r * extremes.stride + f] = least;
        extremes.data[(2 * r + 1) * extremes.stride + f] = greatest;
    });
}

template void sum_by_lag(const Cuda&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>, Product,
                         Ranges, Lags, Matrix<float>);
template void sum_by_lag(const Cuda&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                         Product, Ranges, Lags, Matrix<double>);
template void lagged_pair(const Cuda&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>, Ranges,
                          Lags, Matrix<float>);
template void lagged_pair(const Cuda&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                          Ranges, Lags, Matrix<double>);
template void lagged_moments(const Cuda&, Frames<float>, Vector<const float>, Ranges, Lags, FeatureMoments<float>);
template void lagged_moments(const Cuda&, Frames<double>, Vector<const double>, Ranges, Lags, FeatureMoments<double>);
template void lagged_targets(const Cuda&, Frames<float>, Vector<const float>, Matrix<const float>, Vector<const float>,
                             Ranges, Lags, TargetMoments<float>);
template void lagged_targets(const Cuda&, Frames<double>, Vector<const double>, Matrix<const double>,
                             Vector<const double>, Ranges, Lags, TargetMoments<double>);
template void feature_statistics(const Cuda&, Frames<float>, Vector<const float>, Ranges, Matrix<double>,
                                 Matrix<float>);
template void feature_statistics(const Cuda&, Frames<double>, Vector<const double>, Ranges, Matrix<double>,
                                 Matrix<double>);

}  // namespace heschl

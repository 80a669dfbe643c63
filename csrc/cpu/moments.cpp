// Lagged moments: one pass over the frames, 2 n p (d + c) operations in BLAS. Of run-length features only the runs
// count: 2 m p (d + c) for m runs, because a product of two frames depends on nothing but their runs.
#include "runs.hpp"
#include "sums.hpp"

namespace heschl {
namespace {

// column += sum_t a'(t - lags[i]) right(t)' with right written by right_row(row, out): products of blocks of rows.
template <class T, class Right>
void add_by_rows(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Ranges ranges, Lags lags, int64_t cols,
                 const Right& right_row, Matrix<T> column) {
    DesignBlock<T> design(A, a_shift, lags, ranges.rows());
    Block<T> right(design.capacity, cols);
    for_each_block(ranges, design.capacity, [&](const std::vector<Row>& rows) {
        const auto count = static_cast<int64_t>(rows.size());
        design.fill(cpu, rows);
        right.fill(cpu, count, [&](int64_t i, T* out) { right_row(rows[i], out); });
        gemm<T>(cpu, true, false, T(1), design.read(count), right.read(count), T(1), column);
    });
}

// The same for run-length A: sum over runs of (the run's value) (sum of right(t) over frames t with t - lags[i] in
// it)'.
template <class T, class Right>
void add_by_left_runs(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Ranges ranges, Lags lags, int64_t cols,
                      const Right& right_row, Matrix<T> column) {
    const int64_t d = A.cols(), w = lags.count, capacity = block_rows(w * cols * int64_t{sizeof(T)}, ranges.rows() * w);
    Block<T> values(capacity, d), sums(capacity, w * cols);
    for_each_piece_block(A, ranges, lags[0], lags[w - 1], capacity, [&](const std::vector<Piece>& pieces) {
        const auto count = static_cast<int64_t>(pieces.size());
        fill_values(cpu, A, a_shift, pieces, values);
        sums.fill(cpu, count, [&](int64_t i, T* out) {
            const auto [first, last, r] = pieces[i];
            std::vector<T> right(static_cast<std::size_t>(cols));
            std::fill(out, out + w * cols, T(0));
            for (int64_t t = std::max(first + lags[0], ranges.begin(r));
                 t < std::min(last + lags[w - 1], ranges.end(r)); ++t) {
                right_row(Row{t, ranges.low(r), ranges.high(r)}, right.data());
                // lags k with first <= t - lags[k] < last
                for (int64_t k = std::max<int64_t>(0, t - last + 1 - lags[0]);
                     k <= std::min(w - 1, t - first - lags[0]); ++k)
                    for (int64_t j = 0; j < cols; ++j) out[k * cols + j] += right[j];
            }
        });
        const Matrix<const T> all = sums.read(count);
        for (int64_t k = 0; k < w; ++k)
            gemm<T>(cpu, true, false, T(1), values.read(count), {all.data + k * cols, count, cols, all.stride}, T(1),
                    {column.row(k * d), d, cols, column.stride});
    });
}

// column += sum_t a'(t - lags[i]) b'(t - lags[0])' for run-length B: sum over B's runs of
// (sum of a'(t - lags[i]) over frames t with t - lags[0] in the run) (the run's value)'.
template <class T>
void add_by_right_runs(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                       Ranges ranges, Lags lags, Matrix<T> column) {
    const int64_t d = A.cols(), p = lags.count * d, capacity = block_rows(p * int64_t{sizeof(T)}, ranges.rows());
    Block<T> sums(capacity, p), values(capacity, B.cols());
    for_each_piece_block(B, ranges, lags[0], lags[0], capacity, [&](const std::vector<Piece>& pieces) {
        const auto count = static_cast<int64_t>(pieces.size());
        fill_values(cpu, B, b_shift, pieces, values);
        sums.fill(cpu, count, [&](int64_t i, T* out) {
            const auto [first, last, r] = pieces[i];
            std::fill(out, out + p, T(0));
            for (int64_t k = 0; k < lags.count; ++k)
                add_window(A, a_shift, first - k, last - k, ranges.low(r), ranges.high(r), out + k * d);
        });
        gemm<T>(cpu, true, false, T(1), sums.read(count), values.read(count), T(1), column);
    });
}

// The sums by whichever way costs less.
template <class T>
void lagged_sum(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    if (!A.run && !B.run) {
        const auto [by_lag, by_frequency] = sum_operations(ranges, lags, A.cols(), B.cols(), product);
        if (by_frequency < by_lag) {
            sum_by_frequency(cpu, A, a_shift, B, b_shift, product, ranges, lags, out);
            return;
        }
    }
    sum_by_lag(cpu, A, a_shift, B, b_shift, product, ranges, lags, out);
}

}  // namespace

template <class T>
void sum_by_lag(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    const auto right = [&](Row row, T* values) {
        if (product == Product::responses)
            copy_shifted(B.row(row.t), b_shift, B.cols(), values);
        else
            lagged_row(B, b_shift, row, {lags.first, 1}, values);
    };
    if (B.run)
        add_by_right_runs(cpu, A, a_shift, B, b_shift, ranges, lags, out);
    else if (A.run)
        add_by_left_runs(cpu, A, a_shift, ranges, lags, B.cols(), right, out);
    else
        add_by_rows(cpu, A, a_shift, ranges, lags, B.cols(), right, out);
}

template <class T>
void lagged_pair(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                 Ranges ranges, Lags lags, Matrix<T> first_column) {
    require(first_column.rows == lags.count * A.cols() && first_column.cols == B.cols(),
            "lagged_pair: first_column must be (n_lags * d_a, d_b)");
    lagged_sum(cpu, A, a_shift, B, b_shift, Product::features, ranges, lags, first_column);
}

template <class T>
void lagged_moments(const Cpu& cpu, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags,
                    FeatureMoments<T> out) {
    const int64_t d = H.cols(), w = lags.count, p = w * d;
    require(h_shift.size == d, "lagged_moments: h_shift must be (d)");
    require(out.first_column.rows == p && out.first_column.cols == d, "lagged_moments: first_column must be (p, d)");
    require(out.pair_sums.rows == w * w && out.pair_sums.cols == d && out.pair_counts.size == w * w,
            "lagged_moments: pair_sums must be (w * w, d), pair_counts (w * w)");
    for (const auto& edges : {out.leaving, out.entering})
        require(edges.cols == p && (edges.rows == ranges.count || edges.rows == 0),
                "lagged_moments: leaving and entering must be (r, p) or (0, p)");
    lagged_sum(cpu, H, h_shift, H, h_shift, Product::itself, ranges, lags, out.first_column);
    const auto fill_edges = [&](Matrix<T> edges, bool at_end) {
        parallel_for(cpu.n_threads, edges.rows, std::max<int64_t>(1, (int64_t{1} << 18) / p),
                     [&](int64_t first, int64_t last) {
                         for (int64_t r = first; r < last; ++r) {
                             const int64_t t = (at_end ? ranges.end(r) : ranges.begin(r)) - 1;
                             lagged_row(H, h_shift, {t, ranges.low(r), ranges.high(r)}, lags, edges.row(r));
                         }
                     });
    };
    fill_edges(out.leaving, true);
    fill_edges(out.entering, false);
    for_each_slice(cpu, d, [&](int64_t first, int64_t count) {
        std::vector<double> again(first == 0 ? 0 : static_cast<std::size_t>(w * w));  // every slice counts the same
        const Vector<double> counts = first == 0 ? out.pair_counts : Vector<double>{again.data(), w * w};
        add_pair_sums(slice(H, first, count), slice(h_shift, first, count), ranges, lags,
                      slice(out.pair_sums, first, count), counts);
    });
}

template <class T>
void lagged_targets(const Cpu& cpu, Frames<T> H, Vector<const T> h_shift, Matrix<const T> Y, Vector<const T> y_shift,
                    Ranges ranges, Lags lags, TargetMoments<T> out) {
    const int64_t d = H.cols(), c = Y.cols, w = lags.count;
    require(Y.rows == H.count && h_shift.size == d && y_shift.size == c,
            "lagged_targets: H (n, d) and Y (n, c) differ");
    require(out.cross.rows == w * d && out.cross.cols == c, "lagged_targets: cross must be (p, c)");
    require(out.target_sums.rows == w && out.target_sums.cols == c && out.totals.rows == 2 && out.totals.cols == c,
            "lagged_targets: target_sums must be (w, c), totals (2, c)");
    const Frames<T> responses{Y, nullptr, Y.rows};
    lagged_sum(cpu, H, h_shift, responses, y_shift, Product::responses, ranges, lags, out.cross);
    add_target_sums(Y, y_shift, ranges, lags, out.target_sums);
    add_sums_and_squares(responses, y_shift, ranges, out.totals);
}

template <class T>
void feature_statistics(const Cpu& cpu, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Matrix<double> sums,
                        Matrix<T> extremes) {
    require(sums.rows == 2 && sums.cols == H.cols() && extremes.rows == 2 * ranges.count && extremes.cols == H.cols(),
            "feature_statistics: sums must be (2, d), extremes (2 r, d)");
    for_each_slice(cpu, H.cols(), [&](int64_t first, int64_t d) {
        const Frames<T> V = slice(H, first, d);
        add_sums_and_squares(V, slice(h_shift, first, d), ranges, slice(sums, first, d));
        for (int64_t r = 0; r < ranges.count; ++r) {
            T *least = extremes.row(2 * r) + first, *greatest = extremes.row(2 * r + 1) + first;
            std::copy_n(V.row(ranges.begin(r)), d, least);
            std::copy_n(least, d, greatest);
            for (int64_t t = ranges.begin(r) + 1; t < ranges.end(r); ++t) {
                const T* h = V.row(t);
                for (int64_t f = 0; f < d; ++f) {
                    least[f] = std::min(least[f], h[f]);
                    greatest[f] = std::max(greatest[f], h[f]);
                }
            }
        }
    });
}

template void sum_by_lag(const Cpu&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>, Product,
                         Ranges, Lags, Matrix<float>);
template void sum_by_lag(const Cpu&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                         Product, Ranges, Lags, Matrix<double>);
template void lagged_pair(const Cpu&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>, Ranges,
                          Lags, Matrix<float>);
template void lagged_pair(const Cpu&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                          Ranges, Lags, Matrix<double>);
template void lagged_moments(const Cpu&, Frames<float>, Vector<const float>, Ranges, Lags, FeatureMoments<float>);
template void lagged_moments(const Cpu&, Frames<double>, Vector<const double>, Ranges, Lags, FeatureMoments<double>);
template void lagged_targets(const Cpu&, Frames<float>, Vector<const float>, Matrix<const float>, Vector<const float>,
                             Ranges, Lags, TargetMoments<float>);
template void lagged_targets(const Cpu&, Frames<double>, Vector<const double>, Matrix<const double>,
                             Vector<const double>, Ranges, Lags, TargetMoments<double>);
template void feature_statistics(const Cpu&, Frames<float>, Vector<const float>, Ranges, Matrix<double>, Matrix<float>);
template void feature_statistics(const Cpu&, Frames<double>, Vector<const double>, Ranges, Matrix<double>,
                                 Matrix<double>);

}  // namespace heschl

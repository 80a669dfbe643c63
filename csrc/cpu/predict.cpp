// Prediction: a block of the design lives only as long as its product with the weights. Of run-length features each
// run meets each lag's weights once, and frames add up what their lags point at.
#include "runs.hpp"

namespace heschl {
namespace {

// use(row numbers from, rows, their predictions): dense features.
template <class T, class Use>
void predict_rows(const Cpu& cpu, Frames<T> H, Vector<const T> shift, Ranges ranges, Lags lags, Matrix<const T> W,
                  const Use& use) {
    DesignBlock<T> design(H, shift, lags, ranges.rows());
    Block<T> product(design.capacity, W.cols);
    int64_t done = 0;
    for_each_block(ranges, design.capacity, [&](const std::vector<Row>& rows) {
        const auto count = static_cast<int64_t>(rows.size());
        design.fill(cpu, rows);
        gemm<T>(cpu, false, false, T(1), design.read(count), W, T(0), product.first(count));
        use(done, rows, product.read(count));
        done += count;
    });
}

// P += the prediction from run-length features.
template <class T>
void predict_runs(const Cpu& cpu, Frames<T> H, Vector<const T> shift, Ranges ranges, Lags lags, Matrix<const T> W,
                  Matrix<T> P) {
    const int64_t d = H.cols(), w = lags.count, c = W.cols;
    std::vector<int64_t> start(static_cast<std::size_t>(ranges.count));  // row of P where the range begins
    for (int64_t r = 1; r < ranges.count; ++r) start[r] = start[r - 1] + ranges.end(r - 1) - ranges.begin(r - 1);
    const int64_t capacity = block_rows(w * c * int64_t{sizeof(T)}, H.values.rows * 2 + ranges.count);
    Block<T> values(capacity, d), products(capacity, w * c);
    for_each_piece_block(H, ranges, lags[0], lags[w - 1], capacity, [&](const std::vector<Piece>& pieces) {
        const auto count = static_cast<int64_t>(pieces.size());
        fill_values(cpu, H, shift, pieces, values);
        Matrix<T> all = products.first(count);
        for (int64_t k = 0; k < w; ++k)
            gemm<T>(cpu, false, false, T(1), values.read(count), {W.row(k * d), d, c, W.stride}, T(0),
                    {all.data + k * c, count, c, all.stride});
        // Rows are shared by neighbouring pieces: threads share the targets instead.
        parallel_for(cpu.n_threads, c, 64, [&](int64_t from, int64_t to) {
            for (int64_t i = 0; i < count; ++i) {
                const auto [first, last, r] = pieces[i];
                for (int64_t k = 0; k < w; ++k) {
                    const T* product = all.row(i) + k * c;
                    for (int64_t t = std::max(first + lags[k], ranges.begin(r));
                         t < std::min(last + lags[k], ranges.end(r)); ++t) {
                        T* out = P.row(start[r] + t - ranges.begin(r));
                        for (int64_t j = from; j < to; ++j) out[j] += product[j];
                    }
                }
            }
        });
    });
}

}  // namespace

template <class T>
void lagged_predict(const Cpu& cpu, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<const T> W,
                    Matrix<T> P) {
    require(P.rows == ranges.rows() && P.cols == W.cols, "lagged_predict: P must be (n_rows, c)");
    require(W.rows == lags.count * H.cols() && h_shift.size == H.cols(), "lagged_predict: W must be (n_lags * d, c)");
    if (H.run) {
        predict_runs(cpu, H, h_shift, ranges, lags, W, P);
        return;
    }
    predict_rows(cpu, H, h_shift, ranges, lags, W,
                 [&](int64_t done, const std::vector<Row>& rows, Matrix<const T> prediction) {
                     for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i)
                         for (int64_t j = 0; j < P.cols; ++j) P.row(done + i)[j] += prediction.row(i)[j];
                 });
}

template <class T>
void lagged_sse(const Cpu& cpu, Frames<T> H, Matrix<const T> Y, Vector<const T> h_shift, Ranges ranges, Lags lags,
                Matrix<const T> W, Vector<const T> intercept, Vector<double> sse) {
    const int64_t c = Y.cols, sets = c > 0 ? W.cols / c : 0;
    require(Y.rows == H.count && W.cols == sets * c && sse.size == W.cols && intercept.size == W.cols,
            "lagged_sse: W must be (p, m c), intercept and sse (m c) for Y (n, c)");
    require(W.rows == lags.count * H.cols() && h_shift.size == H.cols(), "lagged_sse: W must be (n_lags * d, m c)");
    std::fill_n(sse.data, sse.size, 0.0);
    predict_rows(
        cpu, H, h_shift, ranges, lags, W, [&](int64_t, const std::vector<Row>& rows, Matrix<const T> prediction) {
            for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
                const T* y = Y.row(rows[i].t);
                for (int64_t m = 0; m < sets; ++m) {
                    const T *guess = prediction.row(i) + m * c, *b = intercept.data + m * c;
                    double* sum = sse.data + m * c;
                    for (int64_t j = 0; j < c; ++j) {
                        const double error =
                            static_cast<double>(y[j]) - static_cast<double>(b[j]) - static_cast<double>(guess[j]);
                        sum[j] += error * error;
                    }
                }
            }
        });
}

template void lagged_predict(const Cpu&, Frames<float>, Vector<const float>, Ranges, Lags, Matrix<const float>,
                             Matrix<float>);
template void lagged_predict(const Cpu&, Frames<double>, Vector<const double>, Ranges, Lags, Matrix<const double>,
                             Matrix<double>);
template void lagged_sse(const Cpu&, Frames<float>, Matrix<const float>, Vector<const float>, Ranges, Lags,
                         Matrix<const float>, Vector<const float>, Vector<double>);
template void lagged_sse(const Cpu&, Frames<double>, Matrix<const double>, Vector<const double>, Ranges, Lags,
                         Matrix<const double>, Vector<const double>, Vector<double>);

}  // namespace heschl

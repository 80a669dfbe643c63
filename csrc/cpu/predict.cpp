// Prediction: a block of the design lives only as long as its product with the weights.
#include "heschl/kernels.hpp"
#include "rows.hpp"

namespace heschl {
namespace {

// use(t, prediction): the prediction (c) for every frame t of the segments, in order.
template <class T, class Use>
void predict_blocks(const Cpu& cpu, Matrix<const T> H, Vector<const T> shift, Segments segments, Lags lags,
                    Matrix<const T> W, Vector<const T> intercept, const Use& use) {
    const int64_t p = lags.count * H.cols, c = W.cols;
    require(W.rows == p && intercept.size == c, "prediction: W must be (n_lags * d, c) and intercept (c)");
    DesignBlock<T> block(total_rows(segments), p);
    std::vector<T> product(static_cast<std::size_t>(block.capacity * c));
    std::vector<int64_t> frame(static_cast<std::size_t>(block.capacity));
    for_each_block(
        segments, block.capacity,
        [&](int64_t i, int64_t t, int64_t s) {
            lagged_row(H, shift, t, segments.begin(s), segments.end(s), lags, block.row(i));
            frame[i] = t;
        },
        [&](int64_t rows) {
            for (int64_t i = 0; i < rows; ++i) std::copy_n(intercept.data, c, product.data() + i * c);
            gemm<T>(cpu, false, false, T(1), block.first(rows), W, T(1), {product.data(), rows, c, c});
            for (int64_t i = 0; i < rows; ++i) use(frame[i], product.data() + i * c);
        });
}

}  // namespace

template <class T>
void lagged_predict(const Cpu& cpu, Matrix<const T> H, Vector<const T> h_shift, Segments segments, Lags lags,
                    Matrix<const T> W, Vector<const T> intercept, Matrix<T> P) {
    require(P.rows == H.rows && P.cols == W.cols, "lagged_predict: P must be (n, c)");
    predict_blocks(cpu, H, h_shift, segments, lags, W, intercept,
                   [&](int64_t t, const T* prediction) { std::copy_n(prediction, P.cols, P.row(t)); });
}

template <class T>
void lagged_sse(const Cpu& cpu, Matrix<const T> H, Matrix<const T> Y, Vector<const T> h_shift, Segments segments,
                Lags lags, Matrix<const T> W, Vector<const T> intercept, Vector<double> sse) {
    require(Y.rows == H.rows && Y.cols == W.cols && sse.size == W.cols, "lagged_sse: Y must be (n, c), sse (c)");
    std::fill_n(sse.data, sse.size, 0.0);
    predict_blocks(cpu, H, h_shift, segments, lags, W, intercept, [&](int64_t t, const T* prediction) {
        const T* y = Y.row(t);
        for (int64_t j = 0; j < Y.cols; ++j) {
            const double error = static_cast<double>(y[j]) - static_cast<double>(prediction[j]);
            sse[j] += error * error;
        }
    });
}

template void lagged_predict(const Cpu&, Matrix<const float>, Vector<const float>, Segments, Lags, Matrix<const float>,
                             Vector<const float>, Matrix<float>);
template void lagged_predict(const Cpu&, Matrix<const double>, Vector<const double>, Segments, Lags,
                             Matrix<const double>, Vector<const double>, Matrix<double>);
template void lagged_sse(const Cpu&, Matrix<const float>, Matrix<const float>, Vector<const float>, Segments, Lags,
                         Matrix<const float>, Vector<const float>, Vector<double>);
template void lagged_sse(const Cpu&, Matrix<const double>, Matrix<const double>, Vector<const double>, Segments, Lags,
                         Matrix<const double>, Vector<const double>, Vector<double>);

}  // namespace heschl

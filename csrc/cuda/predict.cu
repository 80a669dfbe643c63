// Prediction: one product with the frames for each lag, each added a row further down; no design.
#include "heschl/cuda.hpp"
#include "products.hpp"
#include "rows.hpp"

namespace heschl {

// use(layout, predictions (rows of the layout after its first w - 1, c)) for stretches of the rows of the ranges.
template <class T, class Use>
void predict_layouts(const Cuda& cuda, const Reader<T>& read, int64_t d, Ranges ranges, Lags lags, Matrix<const T> W,
                     const Use& use) {
    const int64_t w = lags.count, c = W.cols, before = w - 1;
    if (c == 0) return;
    for_each_layout(ranges, lags, layout_rows<T>(lags, std::max(d, c)), [&](const Layout& layout) {
        const int64_t n = layout.size(), rows = n - before;
        const Buffer<int64_t> history(cuda, layout.history);
        const Buffer<T> frames(cuda, n * d), product(cuda, rows * c);
        fill_rows(cuda, read, history.data(), frames.matrix(n, d));
        for (int64_t k = 0; k < w; ++k)
            gemm<T>(cuda, false, false, T(1), {frames.data() + (before - k) * d, rows, d, d},
                    {W.data + k * d * W.stride, d, c, W.stride}, k == 0 ? T(0) : T(1), product.matrix(rows, c));
        use(layout, product.read(rows, c));
    });
}

// Rows of the layout, less its first w - 1, that are rows of the design.
std::vector<int64_t> design_rows(const Layout& layout, int64_t before) {
    std::vector<int64_t> found;
    for (int64_t i = before; i < layout.size(); ++i)
        if (layout.row[static_cast<std::size_t>(i)] >= 0) found.push_back(i - before);
    return found;
}

template <class T>
void lagged_predict(const Cuda& cuda, Frames<T> H, Vector<const T> h_shift, Ranges ranges, Lags lags, Matrix<const T> W,
                    Matrix<T> P) {
    require(P.rows == ranges.rows() && P.cols == W.cols, "lagged_predict: P must be (n_rows, c)");
    require(W.rows == lags.count * H.cols() && h_shift.size == H.cols(), "lagged_predict: W must be (n_lags * d, c)");
    const int64_t c = P.cols, before = lags.count - 1;
    predict_layouts(cuda, Reader<T>(H, h_shift), H.cols(), ranges, lags, W,
                    [&](const Layout& layout, Matrix<const T> prediction) {
                        const std::vector<int64_t> found = design_rows(layout, before);
                        const Buffer<int64_t> places(cuda, found);
                        const int64_t *place = places.data(), first = layout.first;
                        for_each(cuda, static_cast<int64_t>(found.size()) * c, [=] __device__(int64_t at) {
                            P.data[(first + at / c) * P.stride + at % c] +=
                                prediction.data[place[at / c] * prediction.stride + at % c];
                        });
                    });
}

template <class T>
void lagged_sse(const Cuda& cuda, Frames<T> H, Matrix<const T> Y, Vector<const T> h_shift, Ranges ranges, Lags lags,
                Matrix<const T> W, Vector<const T> intercept, Vector<double> sse) {
    const int64_t c = Y.cols, sets = c > 0 ? W.cols / c : 0, before = lags.count - 1;
    require(Y.rows == H.count && W.cols == sets * c && sse.size == W.cols && intercept.size == W.cols,
            "lagged_sse: W must be (p, m c), intercept and sse (m c) for Y (n, c)");
    require(W.rows == lags.count * H.cols() && h_shift.size == H.cols(), "lagged_sse: W must be (n_lags * d, m c)");
    cuda.clear(sse.data, static_cast<std::size_t>(sse.size) * sizeof(double));
    const Buffer<double> part(cuda, sse.size);
    predict_layouts(
        cuda, Reader<T>(H, h_shift), H.cols(), ranges, lags, W, [&](const Layout& layout, Matrix<const T> prediction) {
            const Buffer<int64_t> frames(cuda, std::vector<int64_t>(layout.row.begin() + before, layout.row.end()));
            const int64_t* frame = frames.data();
            double *sums = part.data(), *total = sse.data;
            column_sums(
                cuda, prediction.rows, prediction.cols,
                [=] __device__(int64_t i, int64_t j) {
                    if (frame[i] < 0) return 0.0;
                    const double error = static_cast<double>(Y.data[frame[i] * Y.stride + j % c]) -
                                         static_cast<double>(intercept.data[j]) -
                                         static_cast<double>(prediction.data[i * prediction.stride + j]);
                    return error * error;
                },
                sums);
            for_each(cuda, sse.size, [=] __device__(int64_t j) { total[j] += sums[j]; });
        });
}

SplitDesign::SplitDesign(const Cuda& cuda, Frames<float> H, Vector<const float> h_shift, Ranges ranges, Lags lags)
    : lags_(lags), d_(H.cols()), rows_(ranges.rows()) {
    require(h_shift.size == d_, "SplitDesign: h_shift must be (d)");
    const Reader<float> read(H, h_shift);
    for_each_layout(ranges, lags, layout_rows<float>(lags, d_), [&](const Layout& layout) {
        const int64_t n = layout.size();
        const std::vector<int64_t> found = design_rows(layout, lags.count - 1);
        const Buffer<int64_t> history(cuda, layout.history);
        const Buffer<float> frames(cuda, n * d_);
        fill_rows(cuda, read, history.data(), frames.matrix(n, d_));
        stretches_.push_back(std::unique_ptr<Stretch>(new Stretch{SplitRoom(cuda, frames.read(n, d_), Each::all),
                                                                  Buffer<int64_t>(cuda, found), layout.first,
                                                                  static_cast<int64_t>(found.size()), n}));
    });
}

void SplitDesign::multiply(const Cuda& cuda, Matrix<const float> V, Matrix<float> P) const {
    require(V.rows == lags_.count * d_ && P.rows == rows_ && P.cols == V.cols, "SplitDesign: V (p, c), P (n_rows, c)");
    const int64_t before = lags_.count - 1;
    const SplitRoom room(cuda, V, Each::column);
    const Split right = room.view();
    const int64_t cols = right.high.cols;
    for (const auto& stretch : stretches_) {
        const Split frames = stretch->frames.view();
        const int64_t n = stretch->size - before;
        const Buffer<float> sums(cuda, n * cols);
        for (int64_t k = 0; k < lags_.count; ++k)
            add_split(cuda, false, false, frames.some_rows(before - k, n), right.some_rows(k * d_, frames.high.cols),
                      k == 0, sums.matrix(n, cols));
        without_exponents(cuda, frames, right, sums.read(n, cols), stretch->places.data(),
                          {P.row(stretch->first), stretch->rows, P.cols, P.stride});
    }
}

template void lagged_predict(const Cuda&, Frames<float>, Vector<const float>, Ranges, Lags, Matrix<const float>,
                             Matrix<float>);
template void lagged_predict(const Cuda&, Frames<double>, Vector<const double>, Ranges, Lags, Matrix<const double>,
                             Matrix<double>);
template void lagged_sse(const Cuda&, Frames<float>, Matrix<const float>, Vector<const float>, Ranges, Lags,
                         Matrix<const float>, Vector<const float>, Vector<double>);
template void lagged_sse(const Cuda&, Frames<double>, Matrix<const double>, Vector<const double>, Ranges, Lags,
                         Matrix<const double>, Vector<const double>, Vector<double>);

}  // namespace heschl

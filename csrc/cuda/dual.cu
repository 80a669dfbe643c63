// The kernel matrix of the lagged design: one product of frames with frames, then a sum along its diagonals for each
// element, every one by itself.
#include "heschl/cuda.hpp"
#include "rows.hpp"

namespace heschl {

template <class T>
void lagged_kernel(const Cuda& cuda, Matrix<const T> A, Ranges a, Matrix<const T> B, Ranges b, Lags lags, Matrix<T> K) {
    require(A.cols == B.cols, "lagged_kernel: A (n_a, d) and B (n_b, d) differ in d");
    require(K.rows == a.rows() && K.cols == b.rows(), "lagged_kernel: K must be (rows of a, rows of b)");
    const auto row_table = [&](Ranges ranges) {  // of each row: frame, low, high
        std::vector<int64_t> rows;
        for (int64_t r = 0; r < ranges.count; ++r)
            for (int64_t t = ranges.begin(r); t < ranges.end(r); ++t)
                for (const int64_t value : {t, ranges.low(r), ranges.high(r)}) rows.push_back(value);
        return rows;
    };
    const std::vector<int64_t> rows_a = row_table(a);
    const Buffer<int64_t> table_b(cuda, row_table(b));
    const int64_t *in_b = table_b.data(), cols = K.cols, n_lags = lags.count, first_lag = lags.first;
    // Rows of K at a time: their products with all frames of B take at most block_bytes.
    const int64_t height = std::max<int64_t>(64, block_bytes / (std::max<int64_t>(1, B.rows) * sizeof(T)));
    for (int64_t from = 0; from < K.rows; from += height) {
        const int64_t count = std::min(height, K.rows - from);
        const std::vector<int64_t> own(rows_a.begin() + 3 * from, rows_a.begin() + 3 * (from + count));
        int64_t low = A.rows, high = 0;  // frames that these rows look at
        for (int64_t i = 0; i < count; ++i) {
            low = std::min(low, std::max(own[3 * i] - lags[n_lags - 1], own[3 * i + 1]));
            high = std::max(high, std::min(own[3 * i] - lags[0] + 1, own[3 * i + 2]));
        }
        const int64_t frames = std::max<int64_t>(0, high - low);
        const Buffer<T> products(cuda, frames * B.rows);
        const Matrix<T> P = products.matrix(frames, B.rows);
        if (frames > 0) gemm<T>(cuda, false, true, T(1), {A.row(low), frames, A.cols, A.stride}, B, T(0), P);
        const Buffer<int64_t> table_a(cuda, own);
        const int64_t* in_a = table_a.data();
        for_each(cuda, count * cols, [=] __device__(int64_t at) {
            const int64_t *left = in_a + 3 * (at / cols), *right = in_b + 3 * (at % cols);
            T sum = T(0);
            for (int64_t k = first_lag; k < first_lag + n_lags; ++k) {
                const int64_t u = left[0] - k, v = right[0] - k;
                if (u >= left[1] && u < left[2] && v >= right[1] && v < right[2])
                    sum += P.data[(u - low) * P.stride + v];
            }
            K.data[(from + at / cols) * K.stride + at % cols] = sum;
        });
    }
}

template void lagged_kernel(const Cuda&, Matrix<const float>, Ranges, Matrix<const float>, Ranges, Lags, Matrix<float>);
template void lagged_kernel(const Cuda&, Matrix<const double>, Ranges, Matrix<const double>, Ranges, Lags,
                            Matrix<double>);

}  // namespace heschl

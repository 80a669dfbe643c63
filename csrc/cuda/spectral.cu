// Sums over lags by frequency, from the bins that cpu/bins.cpp packs, as in cpu/spectral.cpp: the transform is one
// product with cosines and sines, the products of spectra are one batched product over the frequencies, and the way
// back to lags is a product again.
#include <cmath>
#include <numbers>
#include <vector>

#include "../cpu/bins.hpp"
#include "device.hpp"
#include "heschl/cuda.hpp"
#include "rows.hpp"

namespace heschl {
namespace {

constexpr int64_t spectra_blocks = 4;    // of block_bytes, of the bins that are multiplied together
constexpr int64_t narrowest_tile = 256;  // columns; narrower products would not fill a GPU

// Waves of N frames. Forward (3 N / 2 + 3, N): cosine, sine and less the cosine of each frequency 0 to N / 2, so that
// (cosine, sine) as well as (sine, -cosine) lie together. Back (2 w, N / 2 + 1): cosines above sines, over N, twice but
// for the first and the last frequency.
template <class T>
void fill_waves(const Cuda& cuda, int64_t size, int64_t n_lags, T* ahead, T* behind) {  // nvcc has no such constructors
    const int64_t count = size / 2 + 1;
    const double whole = 2.0 * std::numbers::pi / static_cast<double>(size);
    for_each(cuda, count * size, [=] __device__(int64_t at) {
        const int64_t f = at / size, t = at % size;
        const double angle = whole * static_cast<double>(f * t % size);
        T* const row = ahead + 3 * f * size + t;
        row[0] = static_cast<T>(cos(angle));
        row[size] = static_cast<T>(sin(angle));
        row[2 * size] = -row[0];
    });
    for_each(cuda, n_lags * count, [=] __device__(int64_t at) {
        const int64_t k = at / count, f = at % count;
        const double angle = whole * static_cast<double>(f * k % size);
        const double weight = (f == 0 || f == size / 2 ? 1.0 : 2.0) / static_cast<double>(size);
        behind[at] = static_cast<T>(weight * cos(angle));
        behind[n_lags * count + at] = static_cast<T>(-weight * sin(angle));
    });
}

template <class T>
struct Waves {
    Waves(const Cuda& cuda, int64_t size, int64_t n_lags)
        : frequencies(size / 2 + 1), forward(cuda, 3 * frequencies * size), back(cuda, 2 * n_lags * frequencies) {
        fill_waves(cuda, size, n_lags, forward.data(), back.data());
    }

    int64_t frequencies;
    Buffer<T> forward, back;
};

// The spectra of bins [begin, end): three rows of (bins, d) for each frequency.
template <class T>
class Spectra {
 public:
    Spectra(const Cuda& cuda, const Waves<T>& waves, Frames<T> V, Vector<const T> shift,
            const std::vector<Placed>& pieces, int64_t size, int64_t begin, int64_t end)
        : bins_(end - begin), d_(V.cols()), values_(cuda, 3 * waves.frequencies * bins_ * d_) {
        if (bins_ == 0) return;
        std::vector<int64_t> frames(static_cast<std::size_t>(size * bins_), -1);
        for (const Placed& piece : pieces)
            for (int64_t t = piece.first; t < piece.last && begin <= piece.bin && piece.bin < end; ++t)
                frames[(piece.offset + t - piece.first) * bins_ + piece.bin - begin] = t;
        const Buffer<int64_t> table(cuda, frames);
        const Buffer<T> rows(cuda, size * bins_ * d_);
        fill_rows(cuda, Reader<T>(V, shift), table.data(), rows.matrix(size * bins_, d_));
        gemm_exact<T>(cuda, false, false, T(1), waves.forward.read(3 * waves.frequencies, size),
                      rows.read(size, bins_ * d_), T(0), values_.matrix(3 * waves.frequencies, bins_ * d_));
    }

    int64_t bins() const { return bins_; }
    int64_t step() const { return 3 * bins_ * d_; }
    // (cosine, sine) of frequency 0, or (sine, -cosine), some columns; those of the next one are a step further.
    Matrix<const T> both(int64_t first, int64_t cols) const { return {values_.data() + first, 2 * bins_, cols, d_}; }
    Matrix<const T> turned(int64_t first, int64_t cols) const {
        return {values_.data() + bins_ * d_ + first, 2 * bins_, cols, d_};
    }

 private:
    int64_t bins_, d_;
    Buffer<T> values_;
};

// Both sums over bins that make up the correlations of columns i0 on and j0 on, for every frequency: (rows, cols) each
// of c_a c_b + s_a s_b, then as many of s_a c_b - c_a s_b.
template <class T>
void multiply(const Cuda& cuda, const Spectra<T>& A, int64_t i0, int64_t rows, const Spectra<T>& B, int64_t j0,
              int64_t cols, int64_t frequencies, T sign, T keep, T* products) {
    if (A.bins() == 0) return;
    const int64_t cells = rows * cols;
    gemm_moving<T>(cuda, true, false, sign, A.both(i0, rows), A.step(), B.both(j0, cols), B.step(), keep,
                   {products, rows, cols, cols}, cells, frequencies);
    gemm_moving<T>(cuda, true, false, sign, A.turned(i0, rows), A.step(), B.both(j0, cols), B.step(), keep,
                   {products + frequencies * cells, rows, cols, cols}, cells, frequencies);
}

// Adds a tile's products, taken back to lags, to rows k * d + i0 on and columns j0 on of each lag k; of one series with
// itself (`mirrored`) to their mirror image, too, where the second sum has the other sign.
template <class T>
void take_back(const Cuda& cuda, const Waves<T>& waves, const T* products, int64_t w, int64_t d, int64_t i0,
               int64_t rows, int64_t j0, int64_t cols, bool mirrored, Matrix<T> out) {
    const int64_t cells = rows * cols, frequencies = waves.frequencies;
    const Buffer<T> lags(cuda, 2 * w * cells);
    const T* table = waves.back.data();
    for (int64_t half = 0; half < 2; ++half)
        gemm_exact<T>(cuda, false, false, T(1), {table + half * w * frequencies, w, frequencies, frequencies},
                      {products + half * frequencies * cells, frequencies, cells, cells}, T(0),
                      {lags.data() + half * w * cells, w, cells, cells});
    const T *even = lags.data(), *odd = even + w * cells;
    for_each(cuda, w * cells, [=] __device__(int64_t at) {
        const int64_t k = at / cells, i = at % cells / cols, j = at % cols;
        out.data[(k * d + i0 + i) * out.stride + j0 + j] += even[at] + odd[at];
    });
    if (!mirrored || i0 == j0) return;
    for_each(cuda, w * cells, [=] __device__(int64_t at) {  // neighbours write neighbours
        const int64_t k = at / cells, j = at % cells / rows, i = at % rows, from = k * cells + i * cols + j;
        out.data[(k * d + j0 + j) * out.stride + i0 + i] += even[from] - odd[from];
    });
}

}  // namespace

template <class T>
void sum_by_frequency(const Cuda& cuda, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                      Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    const int64_t d = A.cols(), c = B.cols(), w = lags.count;
    if (out.rows == 0 || out.cols == 0) return;
    const int64_t size = cheapest_bins(ranges, lags, d, c, product).size;
    Packing bins = pack(ranges, lags, size, product);
    if (product == Product::responses)
        for (Placed& rows : bins.right) rows.first += lags[0], rows.last += lags[0];
    const bool itself = product == Product::itself;
    const Waves<T> waves(cuda, size, w);
    const int64_t item = int64_t{sizeof(T)}, both = waves.frequencies * 2 + 2 * w;
    const int64_t cells = std::max<int64_t>(1, block_bytes / (both * item));
    const auto square = static_cast<int64_t>(std::sqrt(static_cast<double>(cells)));
    const int64_t side = std::max<int64_t>(1, std::min(square, std::max(narrowest_tile, (d + 3) / 4)));
    const int64_t of_bin = (3 * waves.frequencies + size) * (itself ? d : d + c) * item;
    const int64_t together = std::max<int64_t>(1, spectra_blocks * block_bytes / of_bin);
    const Buffer<T> products(cuda, 2 * waves.frequencies * std::min(side, d) * std::min(side, c));
    for (int64_t begin = 0; begin < bins.count; begin += together) {
        const int64_t end = std::min(begin + together, bins.count);
        const int64_t middle = std::min(std::max(bins.added, begin), end);  // from here on taken away
        const Spectra<T> left(cuda, waves, A, a_shift, bins.left, size, begin, middle);
        const Spectra<T> removed(cuda, waves, A, a_shift, bins.left, size, middle, end);
        const Spectra<T> right(cuda, waves, B, b_shift, bins.right, size, begin, itself ? begin : end);
        for (int64_t i0 = 0; i0 < d; i0 += side)
            for (int64_t j0 = 0; j0 < (itself ? i0 + 1 : c); j0 += side) {
                const int64_t rows = std::min(side, d - i0), cols = std::min(side, c - j0);
                const auto add = [&](const Spectra<T>& a, const Spectra<T>& b, T sign, T keep) {
                    multiply(cuda, a, i0, rows, b, j0, cols, waves.frequencies, sign, keep, products.data());
                };
                add(left, itself ? left : right, T(1), T(0));
                if (itself) add(removed, removed, T(-1), left.bins() > 0 ? T(1) : T(0));
                take_back(cuda, waves, products.data(), w, d, i0, rows, j0, cols, itself, out);
            }
    }
}

template void sum_by_frequency(const Cuda&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>,
                               Product, Ranges, Lags, Matrix<float>);
template void sum_by_frequency(const Cuda&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                               Product, Ranges, Lags, Matrix<double>);

}  // namespace heschl

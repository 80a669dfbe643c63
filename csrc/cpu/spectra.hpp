// Bins of frames taken to frequencies: spectra, and the transform that makes them.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "bins.hpp"
#include "heschl/kernels.hpp"
#include "parallel.hpp"
#include "rows.hpp"

namespace heschl {

constexpr int64_t folded_bytes = int64_t{256} << 10;  // of bins that a thread transforms together

template <class T>
std::unique_ptr<T[]> room(int64_t count) {
    return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(count));
}

// Spectra of some bins: N rows (cosine and sine of each frequency in turn, but for the first and the last, which have
// no sine) of bins x d numbers.
template <class T>
class Spectra {
 public:
    Spectra(int64_t size, int64_t bins, int64_t d)
        : size_(size), bins_(bins), d_(d), values_(room<T>(size * bins * d)) {}

    int64_t bins() const { return bins_; }
    T* row(int64_t i) const { return values_.get() + i * bins_ * d_; }
    // One column a feature; rows of all bins, the cosines before the sines.
    Matrix<const T> cosines(int64_t f, int64_t first, int64_t cols) const { return at(cosine(f), bins_, first, cols); }
    Matrix<const T> sines(int64_t f, int64_t first, int64_t cols) const { return at(2 * f, bins_, first, cols); }
    Matrix<const T> both(int64_t f, int64_t first, int64_t cols) const {
        return at(cosine(f), has_sine(f) ? 2 * bins_ : bins_, first, cols);
    }
    bool has_sine(int64_t f) const { return f > 0 && f < size_ / 2; }

    static int64_t cosine(int64_t f) { return f == 0 ? 0 : 2 * f - 1; }

 private:
    Matrix<const T> at(int64_t i, int64_t rows, int64_t first, int64_t cols) const {
        return {row(i) + first, rows, cols, d_};
    }

    int64_t size_, bins_, d_;
    std::unique_ptr<T[]> values_;
};

// The transform of bins by products with cosines and sines. Folding a bin twice, at N / 2 and N / 4, leaves products of
// a quarter of the frames for cosines and sines of even and odd frequencies: N^2 / 2 operations a bin and column.
template <class T>
class Transform {
 public:
    explicit Transform(int64_t size) : size_(size), quarter_(size / 4) {
        const double step = 2.0 * std::numbers::pi / static_cast<double>(size);
        const auto table = [&](int64_t from, int64_t first, int64_t rows, int64_t cols, auto wave) {
            std::vector<T> out(static_cast<std::size_t>(rows * cols));
            for (int64_t i = 0; i < rows; ++i)
                for (int64_t t = 0; t < cols; ++t)  // the angle from a whole number of steps, below one turn
                    out[i * cols + t] =
                        static_cast<T>(wave(step * static_cast<double>((from + 2 * i) * (first + t) % size)));
            return out;
        };
        const auto cosine = [](double x) { return std::cos(x); };
        const auto sine = [](double x) { return std::sin(x); };
        const int64_t q = quarter_;
        parts_ = {Part{0, q + 1, table(0, 0, q + 1, q + 1, cosine)}, Part{1, q, table(1, 0, q, q, cosine)},
                  Part{2, q - 1, table(2, 1, q - 1, q - 1, sine)}, Part{1, q, table(1, 1, q, q, sine)}};
    }

    // The spectra of bins [begin, end) of the series.
    Spectra<T> operator()(const Cpu& cpu, Frames<T> V, Vector<const T> shift, const std::vector<Placed>& pieces,
                          int64_t begin, int64_t end) const {
        const int64_t d = V.cols(), bins = end - begin;
        Spectra<T> out(size_, bins, d);
        if (bins == 0) return out;
        const int64_t bytes = size_ * d * int64_t{sizeof(T)};
        const int64_t together = std::clamp<int64_t>(folded_bytes / bytes, 1, bins);
        const int64_t grain = std::max<int64_t>(together, (int64_t{1} << 18) / std::max<int64_t>(1, size_ * d));
        parallel_for(cpu.n_threads, bins, grain, [&](int64_t first, int64_t last) {
            const auto frames = room<T>(size_ * d), folded = room<T>(size_ * together * d);
            for (int64_t b = first; b < last; b += together) {
                const int64_t count = std::min(together, last - b), width = count * d;
                for (int64_t i = 0; i < count; ++i) {
                    fill(V, shift, pieces, begin + b + i, frames.get());
                    fold(frames.get(), d, folded.get() + i * d, width);
                }
                const T* source = folded.get();
                for (const auto& [frequency, n, waves] : parts_) {
                    const bool is_sine = &waves >= &parts_[2].waves;
                    const int64_t row = is_sine ? 2 * frequency : Spectra<T>::cosine(frequency);
                    const Matrix<const T> table{waves.data(), n, n, n}, values{source, n, width, width};
                    // Even cosines begin with frequency 0, whose row is not two rows before that of frequency 1.
                    if (row == 0) {
                        product(cpu, {table.data, 1, n, n}, values, out.row(0) + b * d, bins * d);
                        product(cpu, {table.row(1), n - 1, n, n}, values, out.row(3) + b * d, 4 * bins * d);
                    } else {
                        product(cpu, table, values, out.row(row) + b * d, 4 * bins * d);
                    }
                    source += n * width;
                }
            }
        });
        return out;
    }

 private:
    struct Part {
        int64_t first_frequency, n;  // every second from here on; as many frequencies as frames
        std::vector<T> waves;        // (n, n)
    };

    static void product(const Cpu& cpu, Matrix<const T> table, Matrix<const T> values, T* out, int64_t stride) {
        gemm<T>(cpu, false, false, T(1), table, values, T(0), Matrix<T>{out, table.rows, values.cols, stride});
    }

    // The frames (N, d) of one bin.
    void fill(Frames<T> V, Vector<const T> shift, const std::vector<Placed>& pieces, int64_t bin, T* frames) const {
        const int64_t d = V.cols();
        auto piece = std::lower_bound(pieces.begin(), pieces.end(), bin,
                                      [](const Placed& p, int64_t number) { return p.bin < number; });
        std::fill(frames, frames + size_ * d, T(0));
        for (; piece != pieces.end() && piece->bin == bin; ++piece)
            for (int64_t t = piece->first; t < piece->last; ++t)
                copy_shifted(V.row(t), shift, d, frames + (piece->offset + t - piece->first) * d);
    }

    // Rows of `out`: sums and differences for even cosines (q + 1), odd cosines (q), even sines (q - 1), odd sines (q).
    void fold(const T* frames, int64_t d, T* out, int64_t stride) const {
        const int64_t q = quarter_, half = 2 * q;
        T *even = out, *odd = even + (q + 1) * stride, *even_sine = odd + q * stride;
        T* odd_sine = even_sine + (q - 1) * stride;
        const auto at = [&](int64_t t) { return frames + t * d; };
        for (int64_t f = 0; f < d; ++f) {
            even[f] = at(0)[f] + at(half)[f];
            odd[f] = at(0)[f] - at(half)[f];
            even[q * stride + f] = at(q)[f] + at(half + q)[f];
            odd_sine[(q - 1) * stride + f] = at(q)[f] - at(half + q)[f];
        }
        for (int64_t t = 1; t < q; ++t)
            fold_rows(d, at(t), at(size_ - t), at(half - t), at(half + t), even + t * stride, odd + t * stride,
                      even_sine + (t - 1) * stride, odd_sine + (t - 1) * stride);
    }

    // Four rows to four others; told apart, or the compiler would fear that they overlap.
    static void fold_rows(int64_t d, const T* __restrict v0, const T* __restrict v1, const T* __restrict v2,
                          const T* __restrict v3, T* __restrict even, T* __restrict odd, T* __restrict even_sine,
                          T* __restrict odd_sine) {
        for (int64_t f = 0; f < d; ++f) {
            const T up = v0[f] + v1[f], down = v0[f] - v1[f], far_up = v2[f] + v3[f], far_down = v2[f] - v3[f];
            even[f] = up + far_up;
            odd[f] = up - far_up;
            even_sine[f] = down - far_down;
            odd_sine[f] = down + far_down;
        }
    }

    int64_t size_, quarter_;
    std::vector<Part> parts_;
};

}  // namespace heschl

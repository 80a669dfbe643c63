// With N real frames x in a bin, theta = 2 pi f / N, c_f = sum x(t) cos(theta t), s_f = sum x(t) sin(theta t):
//   sum_t a(t - k) b(t) = 1/N sum_f [cos(theta k) (c_a c_b + s_a s_b) - sin(theta k) (s_a c_b - c_a s_b)],
// where bins only add to the products in round brackets. 2 N d^2 operations a bin for features with themselves (the
// first bracket is symmetric, the second antisymmetric), 4 N d c for two series, against 2 d c for each frame and lag.
#include <cmath>
#include <memory>
#include <numbers>

#include "bins.hpp"
#include "heschl/kernels.hpp"
#include "rows.hpp"

namespace heschl {
namespace {

constexpr int64_t spectra_bytes = int64_t{96} << 20;  // of all bins that are multiplied together
constexpr int64_t cached_bytes = int64_t{16} << 20;   // ... where fewer are as good
constexpr int64_t product_bytes = int64_t{12} << 20;  // of all frequencies of one tile of the products
constexpr int64_t folded_bytes = int64_t{256} << 10;  // of bins that a thread transforms together
constexpr int64_t lags_together = 10;                 // sums that a thread keeps in registers, of lanes each

template <class T>
std::unique_ptr<T[]> room(int64_t count) {
    return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(count));
}

// Some lags of some neighbouring cells: out(k, j) = sum_f waves(f, k) products(f, j). So few sums of so many products
// are none of BLAS's business: it would copy each product first.
template <class T>
[[gnu::always_inline]] inline void combine(const T* waves, int64_t stride, const T* products, int64_t apart,
                                           int64_t frequencies, int64_t cells, T* out) {
    constexpr int64_t width = 64 / int64_t{sizeof(T)};
    using Lanes [[gnu::vector_size(64)]] = T;
    int64_t j = 0;
    for (; j + width <= cells; j += width)
        for (int64_t k = 0; k < stride; k += lags_together) {
            Lanes sums[lags_together] = {};
            for (int64_t f = 0; f < frequencies; ++f) {
                Lanes product;
                std::memcpy(&product, products + f * apart + j, sizeof product);
                for (int64_t i = 0; i < lags_together; ++i) sums[i] += waves[f * stride + k + i] * product;
            }
            for (int64_t i = 0; i < lags_together; ++i)
                std::memcpy(out + (k + i) * cells + j, &sums[i], sizeof sums[i]);
        }
    for (; j < cells; ++j)
        for (int64_t k = 0; k < stride; ++k) {
            T sum = 0;
            for (int64_t f = 0; f < frequencies; ++f) sum += waves[f * stride + k] * products[f * apart + j];
            out[k * cells + j] = sum;
        }
}

#if defined(__GNUC__) && defined(__x86_64__) && defined(__linux__)
#define HESCHL_WIDE_LANES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define HESCHL_WIDE_LANES
#endif
HESCHL_WIDE_LANES void combine_rows(const float* waves, int64_t stride, const float* products, int64_t apart,
                                    int64_t frequencies, int64_t cells, float* out) {
    combine(waves, stride, products, apart, frequencies, cells, out);
}
HESCHL_WIDE_LANES void combine_rows(const double* waves, int64_t stride, const double* products, int64_t apart,
                                    int64_t frequencies, int64_t cells, double* out) {
    combine(waves, stride, products, apart, frequencies, cells, out);
}
#undef HESCHL_WIDE_LANES

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

// cos and -sin (2 pi f k / N) / N for all lags, twice but for the first and the last frequency: (N / 2 + 1, w) each, w
// rounded up to what is summed at a time.
template <class T>
struct WayBack {
    std::vector<T> cosines, sines;
    int64_t w, frequencies, stride;

    WayBack(int64_t size, int64_t n_lags)
        : w(n_lags), frequencies(size / 2 + 1), stride((n_lags + lags_together - 1) / lags_together * lags_together) {
        cosines.resize(static_cast<std::size_t>(frequencies * stride));
        sines.resize(cosines.size());
        for (int64_t f = 0; f < frequencies; ++f)
            for (int64_t k = 0; k < w; ++k) {
                const double weight = (f == 0 || f == size / 2 ? 1.0 : 2.0) / static_cast<double>(size);
                const double angle =
                    2.0 * std::numbers::pi * static_cast<double>(f * k % size) / static_cast<double>(size);
                cosines[f * stride + k] = static_cast<T>(weight * std::cos(angle));
                sines[f * stride + k] = static_cast<T>(-weight * std::sin(angle));
            }
    }

    // out (w, cells) = waves' products, of products (frequencies, cells) whose rows lie `apart`; out has rows for the
    // rounded w.
    void operator()(const std::vector<T>& waves, const T* products, int64_t apart, int64_t cells, T* out) const {
        combine_rows(waves.data(), stride, products, apart, frequencies, cells, out);
    }
};

// Both brackets for every frequency of one tile of columns, (N / 2 + 1) of (rows, cols) each.
template <class T>
struct Tile {
    int64_t rows, cols;
    T *symmetric, *antisymmetric;

    Matrix<T> first(int64_t f) const { return {symmetric + f * rows * cols, rows, cols, cols}; }
    Matrix<T> second(int64_t f) const { return {antisymmetric + f * rows * cols, rows, cols, cols}; }
};

// [0, count) in parts of at most `most`, nearly equal.
std::vector<int64_t> edges_of(int64_t count, int64_t most) {
    const int64_t parts = std::max<int64_t>(1, (count + most - 1) / most);
    std::vector<int64_t> out;
    for (int64_t i = 0; i <= parts; ++i) out.push_back(count * i / parts);
    return out;
}

int64_t tile_side(int64_t size, int64_t item) {
    const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(product_bytes / (size * item))));
    return std::max<int64_t>(32, side / 16 * 16);
}

// Room for one tile after the other.
template <class T>
class TileRoom {
 public:
    TileRoom(int64_t frequencies, const std::vector<int64_t>& rows, const std::vector<int64_t>& cols)
        : half_(frequencies * widest(rows) * widest(cols)), values_(room<T>(2 * half_)) {}

    Tile<T> tile(const std::vector<int64_t>& rows, std::size_t i, const std::vector<int64_t>& cols, std::size_t j) {
        return {rows[i + 1] - rows[i], cols[j + 1] - cols[j], values_.get(), values_.get() + half_};
    }

 private:
    static int64_t widest(const std::vector<int64_t>& edges) {
        int64_t most = 0;
        for (std::size_t i = 0; i + 1 < edges.size(); ++i) most = std::max(most, edges[i + 1] - edges[i]);
        return most;
    }

    int64_t half_;
    std::unique_ptr<T[]> values_;
};

template <class T>
void clear(Matrix<T> M) {
    std::fill(M.data, M.data + M.rows * M.cols, T(0));
}

// tile.first(f) and second(f) += sign times the brackets of columns a, b on of two series' spectra.
template <class T>
void multiply(const Cpu& cpu, const Spectra<T>& A, int64_t a, const Spectra<T>& B, int64_t b, int64_t f, T sign, T keep,
              const Tile<T>& tile) {
    const auto [rows, cols] = std::pair{tile.rows, tile.cols};
    gemm<T>(cpu, true, false, sign, A.both(f, a, rows), B.both(f, b, cols), keep, tile.first(f));
    if (!A.has_sine(f)) {
        clear(tile.second(f));
        return;
    }
    gemm<T>(cpu, true, false, sign, A.sines(f, a, rows), B.cosines(f, b, cols), keep, tile.second(f));
    gemm<T>(cpu, true, false, -sign, A.cosines(f, a, rows), B.sines(f, b, cols), T(1), tile.second(f));
}

// The same for a tile on the diagonal, of which the lower triangle is written.
template <class T>
void multiply_diagonal(const Cpu& cpu, const Spectra<T>& A, int64_t a, int64_t f, T sign, T keep, const Tile<T>& tile) {
    syrk_lower<T>(cpu, sign, A.both(f, a, tile.rows), keep, tile.first(f));
    if (A.has_sine(f))
        gemm<T>(cpu, true, false, sign, A.sines(f, a, tile.rows), A.cosines(f, a, tile.cols), keep, tile.second(f));
    else
        clear(tile.second(f));
}

// The lower triangle of M - M'.
template <class T>
void make_antisymmetric(Matrix<T> M) {
    for (int64_t i = 0; i < M.rows; ++i) {
        for (int64_t j = 0; j < i; ++j) M.row(i)[j] -= M.row(j)[i];
        M.row(i)[i] = T(0);
    }
}

// Columns of out, (w * d, d), from a tile at (i0, j0) of products that are symmetric and antisymmetric: both triangles.
template <class T>
void return_both(const Cpu& cpu, const WayBack<T>& back, const Tile<T>& tile, int64_t i0, int64_t j0, Matrix<T> out) {
    constexpr int64_t together = 16;
    const int64_t d = out.cols, w = back.w, cells = tile.rows * tile.cols;
    parallel_for(cpu.n_threads, (tile.rows + together - 1) / together, 1, [&](int64_t begin, int64_t end) {
        const auto even = room<T>(back.stride * together * tile.cols),
                   odd = room<T>(back.stride * together * tile.cols);
        for (int64_t block = begin; block < end; ++block) {
            const int64_t first = block * together, count = std::min(together, tile.rows - first);
            const int64_t width = count * tile.cols, at = first * tile.cols;
            back(back.cosines, tile.symmetric + at, cells, width, even.get());
            back(back.sines, tile.antisymmetric + at, cells, width, odd.get());
            for (int64_t k = 0; k < w; ++k) {
                const T *u = even.get() + k * width, *v = odd.get() + k * width;
                for (int64_t i = 0; i < count; ++i) {
                    const int64_t cols = i0 == j0 ? first + i + 1 : tile.cols;
                    T* row = out.row(k * d + i0 + first + i) + j0;
                    for (int64_t j = 0; j < cols; ++j) row[j] += u[i * tile.cols + j] + v[i * tile.cols + j];
                }
                for (int64_t j = 0; j < (i0 == j0 ? first + count - 1 : tile.cols); ++j) {
                    T* row = out.row(k * d + j0 + j) + i0 + first;
                    for (int64_t i = i0 == j0 ? std::max<int64_t>(0, j + 1 - first) : 0; i < count; ++i)
                        row[i] += u[i * tile.cols + j] - v[i * tile.cols + j];
                }
            }
        }
    });
}

// Rows i0 on and columns j0 on of every lag's block of out, (w * d, c), from a tile of products of two series.
template <class T>
void return_rows(const Cpu& cpu, const WayBack<T>& back, const Tile<T>& tile, int64_t i0, int64_t j0, int64_t d,
                 Matrix<T> out) {
    const int64_t cells = tile.rows * tile.cols;
    parallel_for(cpu.n_threads, tile.rows, 4, [&](int64_t begin, int64_t end) {
        const auto even = room<T>(back.stride * tile.cols), odd = room<T>(back.stride * tile.cols);
        for (int64_t i = begin; i < end; ++i) {
            back(back.cosines, tile.symmetric + i * tile.cols, cells, tile.cols, even.get());
            back(back.sines, tile.antisymmetric + i * tile.cols, cells, tile.cols, odd.get());
            for (int64_t k = 0; k < back.w; ++k) {
                const T *u = even.get() + k * tile.cols, *v = odd.get() + k * tile.cols;
                T* row = out.row(k * d + i0 + i) + j0;
                for (int64_t j = 0; j < tile.cols; ++j) row[j] += u[j] + v[j];
            }
        }
    });
}

// use(begin, end) for bins in groups: as many as the caches hold, but so many that the way back, which every group
// takes, is cheap beside the products, and no more than fit into memory; `numbers` of a bin's spectra.
template <class T, class Use>
void for_each_group(int64_t count, int64_t numbers, int64_t w, const Use& use) {
    if (count == 0) return;
    const int64_t bytes = numbers * int64_t{sizeof(T)};
    const int64_t most = std::min(std::max(cached_bytes / bytes, 8 * w), spectra_bytes / bytes);
    const auto edges = edges_of(count, std::max<int64_t>(1, most));
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) use(edges[i], edges[i + 1]);
}

// Features with themselves: tiles on and below the diagonal, and what they say of those above.
template <class T>
void square(const Cpu& cpu, Frames<T> H, Vector<const T> shift, Ranges ranges, Lags lags, int64_t size, Matrix<T> out) {
    const int64_t d = H.cols(), frequencies = size / 2 + 1;
    const Packing bins = pack(ranges, lags, size, Product::itself);
    const Transform<T> transform(size);
    const WayBack<T> back(size, lags.count);
    const auto edges = edges_of(d, tile_side(size, int64_t{sizeof(T)}));
    TileRoom<T> room_for(frequencies, edges, edges);
    for_each_group<T>(bins.count, size * d, lags.count, [&](int64_t begin, int64_t end) {
        const int64_t middle = std::clamp(bins.added, begin, end);
        const Spectra<T> added = transform(cpu, H, shift, bins.left, begin, middle);
        const Spectra<T> removed = transform(cpu, H, shift, bins.left, middle, end);
        for (std::size_t i = 0; i + 1 < edges.size(); ++i)
            for (std::size_t j = 0; j <= i; ++j) {
                const Tile<T> tile = room_for.tile(edges, i, edges, j);
                const int64_t i0 = edges[i], j0 = edges[j];
                parallel_for(cpu.n_threads, frequencies, 1, [&](int64_t from, int64_t to) {
                    for (int64_t f = from; f < to; ++f)
                        if (i == j) {
                            multiply_diagonal(cpu, added, i0, f, T(1), T(0), tile);
                            if (removed.bins() > 0) multiply_diagonal(cpu, removed, i0, f, T(-1), T(1), tile);
                            make_antisymmetric(tile.second(f));
                        } else {
                            multiply(cpu, added, i0, added, j0, f, T(1), T(0), tile);
                            if (removed.bins() > 0) multiply(cpu, removed, i0, removed, j0, f, T(-1), T(1), tile);
                        }
                });
                return_both(cpu, back, tile, i0, j0, out);
            }
    });
}

template <class T>
void cross(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift, Product product,
           Ranges ranges, Lags lags, int64_t size, Matrix<T> out) {
    const int64_t d = A.cols(), c = B.cols(), frequencies = size / 2 + 1;
    Packing bins = pack(ranges, lags, size, product);
    if (product == Product::responses)
        for (auto& rows : bins.right) rows.first += lags[0], rows.last += lags[0];
    const Transform<T> transform(size);
    const WayBack<T> back(size, lags.count);
    const int64_t side = tile_side(size, int64_t{sizeof(T)});
    const auto rows = edges_of(d, side), cols = edges_of(c, side);
    TileRoom<T> room_for(frequencies, rows, cols);
    for_each_group<T>(bins.count, size * (d + c), lags.count, [&](int64_t begin, int64_t end) {
        const Spectra<T> left = transform(cpu, A, a_shift, bins.left, begin, end);
        const Spectra<T> right = transform(cpu, B, b_shift, bins.right, begin, end);
        for (std::size_t i = 0; i + 1 < rows.size(); ++i)
            for (std::size_t j = 0; j + 1 < cols.size(); ++j) {
                const Tile<T> tile = room_for.tile(rows, i, cols, j);
                parallel_for(cpu.n_threads, frequencies, 1, [&](int64_t from, int64_t to) {
                    for (int64_t f = from; f < to; ++f)
                        multiply(cpu, left, rows[i], right, cols[j], f, T(1), T(0), tile);
                });
                return_rows(cpu, back, tile, rows[i], cols[j], d, out);
            }
    });
}

}  // namespace

template <class T>
void sum_by_frequency(const Cpu& cpu, Frames<T> A, Vector<const T> a_shift, Frames<T> B, Vector<const T> b_shift,
                      Product product, Ranges ranges, Lags lags, Matrix<T> out) {
    const int64_t size = cheapest_bins(ranges, lags, A.cols(), B.cols(), product).size;
    if (out.rows == 0 || out.cols == 0) return;
    if (product == Product::itself)
        square(cpu, A, a_shift, ranges, lags, size, out);
    else
        cross(cpu, A, a_shift, B, b_shift, product, ranges, lags, size, out);
}

template void sum_by_frequency(const Cpu&, Frames<float>, Vector<const float>, Frames<float>, Vector<const float>,
                               Product, Ranges, Lags, Matrix<float>);
template void sum_by_frequency(const Cpu&, Frames<double>, Vector<const double>, Frames<double>, Vector<const double>,
                               Product, Ranges, Lags, Matrix<double>);

}  // namespace heschl

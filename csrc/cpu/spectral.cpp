// With N real frames x in a bin, theta = 2 pi f / N, c_f = sum x(t) cos(theta t), s_f = sum x(t) sin(theta t):
//   sum_t a(t - k) b(t) = 1/N sum_f [cos(theta k) (c_a c_b + s_a s_b) - sin(theta k) (s_a c_b - c_a s_b)],
// where bins only add to the products in round brackets. 2 N d^2 operations a bin for features with themselves (the
// first bracket is symmetric, the second antisymmetric), 4 N d c for two series, against 2 d c for each frame and lag.
#include <cstring>

#include "spectra.hpp"

namespace heschl {
namespace {

constexpr int64_t spectra_bytes = int64_t{96} << 20;  // of all bins that are multiplied together
constexpr int64_t cached_bytes = int64_t{16} << 20;   // ... where fewer are as good
constexpr int64_t product_bytes = int64_t{12} << 20;  // of all frequencies of one tile of the products
constexpr int64_t lags_together = 10;                 // sums that a thread keeps in registers, of lanes each

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

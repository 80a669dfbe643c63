// Products that solvers are made of, as in cpu/products.cpp: as exact as their numbers, by one call of cuBLAS; and
// those of float32 by tensor cores, of operands split into two numbers of half precision each.
#include <cfloat>
#include <cmath>

#include "heschl/cuda.hpp"
#include "products.hpp"

namespace heschl {

template <class T>
void multiply(const Cuda& cuda, bool transpose_a, bool transpose_b, T scale, Matrix<const T> a, Matrix<const T> b,
              T keep, Matrix<T> out) {
    const int64_t inner = transpose_a ? a.rows : a.cols;
    require((transpose_a ? a.cols : a.rows) == out.rows && (transpose_b ? b.rows : b.cols) == out.cols &&
                (transpose_b ? b.cols : b.rows) == inner,
            "multiply: expected (m, k) times (k, n) into (m, n)");
    if (inner > 0) gemm_exact<T>(cuda, transpose_a, transpose_b, scale, a, b, keep, out);
}

namespace {

constexpr int largest_exponent = 14;  // of what is split: below 2^14, and its remainder, times 2^11, below 2^13
constexpr float low_unit = 0x1p-11f;
// Tensor cores round towards zero as they add, so that errors grow with the number of terms: so many of these at most,
// and whole sums of them are added in float32.
#ifdef HESCHL_EMULATED
constexpr int64_t terms_together = 64;
#else
constexpr int64_t terms_together = 2048;
#endif

}  // namespace

void split(const Cuda& cuda, Matrix<const float> in, Each each, const Split& out) {
    const bool by_column = each == Each::column, apart = each != Each::all;
    const int64_t outer = by_column ? in.cols : in.rows, inner = by_column ? in.rows : in.cols;
    require(out.high.rows == in.rows && out.high.cols >= in.cols, "split: expected room of the same shape");
    // Threads for each row or column, which find the largest of as many numbers; neighbours read neighbours.
    const int64_t parts = std::max<int64_t>(32, std::llround(std::sqrt(static_cast<double>(inner))));
    const Buffer<float> partial(cuda, outer * parts), of_each(cuda, outer), of_parts(cuda, parts);
    float *found = partial.data(), *largest_of = of_each.data(), *largest_of_parts = of_parts.data();
    for_each(cuda, outer * parts, [=] __device__(int64_t at) {
        const int64_t o = by_column ? at % outer : at / parts, part = by_column ? at / outer : at % parts;
        float largest = 0.0f;
        for (int64_t i = part; i < inner; i += parts) {
            const float size = fabsf(by_column ? in.data[i * in.stride + o] : in.data[o * in.stride + i]);
            largest = size > largest && size <= FLT_MAX ? size : largest;
        }
        found[o * parts + part] = largest;
    });
    const auto largest = [&](int64_t count, const float* from, float* to) {  // of each `parts` in a row
        for_each(cuda, count, [=] __device__(int64_t o) {
            float most = 0.0f;
            for (int64_t i = 0; i < parts; ++i) most = from[o * parts + i] > most ? from[o * parts + i] : most;
            to[o] = most;
        });
    };
    largest(outer, found, largest_of);
    if (!apart) {
        for_each(cuda, parts, [=] __device__(int64_t part) {
            float most = 0.0f;
            for (int64_t o = part; o < outer; o += parts) most = largest_of[o] > most ? largest_of[o] : most;
            largest_of_parts[part] = most;
        });
        largest(1, largest_of_parts, largest_of);
    }
    int* exponents = out.exponents;
    for_each(cuda, apart ? outer : std::min<int64_t>(1, outer), [=] __device__(int64_t o) {
        exponents[o] = largest_of[o] > 0.0f ? largest_exponent - 1 - ilogbf(largest_of[o]) : 0;
    });
    const Matrix<Half> high{out.high.data, in.rows, in.cols, out.high.stride}, low = out.low;
    map(cuda, in, high, [=] __device__(float given, Half& upper, int64_t i, int64_t j) {
        const float value = ldexpf(given, exponents[!apart ? 0 : by_column ? j : i]);
        upper = half_of(value);
        low.data[i * low.stride + j] = half_of((value - number(upper)) / low_unit);
    });
}

void add_split(const Cuda& cuda, bool transpose_a, bool transpose_b, const Split& a, const Split& b, bool anew,
               Matrix<float> sum) {
    const int64_t inner = transpose_a ? a.high.rows : a.high.cols;
    require((transpose_a ? a.high.cols : a.high.rows) == sum.rows &&
                (transpose_b ? b.high.rows : b.high.cols) == sum.cols &&
                (transpose_b ? b.high.cols : b.high.rows) == inner,
            "add_split: expected (m, k) times (k, n) into (m, n)");
    const auto some = [](const Matrix<Half>& all, bool rows, int64_t first, int64_t count) {
        return rows ? Matrix<const Half>{all.row(first), count, all.cols, all.stride}
                    : Matrix<const Half>{all.data + first, all.rows, count, all.stride};
    };
    // Small terms first. What both remainders make together lies below float32's last place.
    for (int part = 0; part < 3; ++part)
        for (int64_t first = 0; first < inner; first += terms_together) {
            const int64_t count = std::min(terms_together, inner - first);
            gemm_half(cuda, transpose_a, transpose_b, part < 2 ? low_unit : 1.0f,
                      some(part == 1 ? a.low : a.high, transpose_a, first, count),
                      some(part == 0 ? b.low : b.high, !transpose_b, first, count),
                      anew && part == 0 && first == 0 ? 0.0f : 1.0f, sum);
        }
}

void multiply_split(const Cuda& cuda, bool transpose_a, const Split& a, const Split& b, Matrix<float> out) {
    const int64_t rows = transpose_a ? a.high.cols : a.high.rows;
    const Buffer<float> sums(cuda, rows * b.high.cols);
    const Split right = transpose_a ? b : b.some_rows(0, a.high.cols);
    add_split(cuda, transpose_a, false, a, right, true, sums.matrix(rows, b.high.cols));
    without_exponents(cuda, a, b, sums.read(rows, b.high.cols), nullptr, out);
}

void without_exponents(const Cuda& cuda, const Split& a, const Split& b, Matrix<const float> sum, const int64_t* from,
                       Matrix<float> out) {
    const int *down = a.exponents, *across = b.exponents;
    const int64_t each_row = a.apart ? 1 : 0, each_column = b.apart ? 1 : 0;
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols, row = from ? from[i] : i;
        out.data[i * out.stride + j] =
            ldexpf(sum.data[row * sum.stride + j], -(down[row * each_row] + across[j * each_column]));
    });
}

template void multiply(const Cuda&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void multiply(const Cuda&, bool, bool, double, Matrix<const double>, Matrix<const double>, double,
                       Matrix<double>);

}  // namespace heschl

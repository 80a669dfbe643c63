#include <cmath>
#include <limits>

#include "arrays.hpp"
#include "halves.hpp"

namespace heschl {

template <class From, class To>
void gather(const Cuda& cuda, const From* data, int64_t row_step, int64_t column_step, Matrix<To> out) {
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols;
        out.data[i * out.stride + j] = static_cast<To>(number(data[i * row_step + j * column_step]));
    });
}

template <class T>
void take(const Cuda& cuda, Matrix<const T> in, const int64_t* rows, const int64_t* cols, Matrix<T> out) {
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols;
        out.data[i * out.stride + j] = in.data[(rows ? rows[i] : i) * in.stride + (cols ? cols[j] : j)];
    });
}

template <class T>
void set_columns(const Cuda& cuda, Matrix<const T> in, const int64_t* cols, Matrix<T> out) {
    for_each(cuda, in.rows * in.cols, [=] __device__(int64_t at) {
        const int64_t i = at / in.cols, j = at % in.cols;
        out.data[i * out.stride + cols[j]] = in.data[i * in.stride + j];
    });
}

template <class T>
void by_target(const Cuda& cuda, Matrix<const T> in, int64_t n_lags, Matrix<T> out) {
    const int64_t d = in.rows / n_lags;
    for_each(cuda, in.rows * in.cols, [=] __device__(int64_t at) {
        const int64_t i = at / in.cols, j = at % in.cols;
        out.data[j * out.stride + i % d * n_lags + i / d] = in.data[i * in.stride + j];
    });
}

template <class From, class To>
void convert(const Cuda& cuda, Matrix<const From> in, Matrix<To> out) {
    map(cuda, in, out, [=] __device__(From value, To& kept, int64_t, int64_t) { kept = static_cast<To>(value); });
}

template <class T>
void add(const Cuda& cuda, T factor, Matrix<const T> other, Matrix<T> values) {
    require(values.rows == other.rows && values.cols == other.cols, "add: two matrices of one shape");
    map(cuda, other, values, [=] __device__(T value, T& sum, int64_t, int64_t) { sum += factor * value; });
}

template <class T>
void scale_and_shift(const Cuda& cuda, Vector<const double> factor, Vector<const double> across,
                     Vector<const double> row, Vector<const double> column, Matrix<T> values) {
    require((!row || row.size == values.rows) && (!column || column.size == values.cols) &&
                (!across || across.size == values.cols),
            "scale_and_shift: row (rows), across and column (cols)");
    const double *by = factor.data, *times = across.data, *down = row.data, *right = column.data;
    const int64_t period = std::max<int64_t>(1, factor.size);
    const Matrix<const T> in{values.data, values.rows, values.cols, values.stride};
    map(cuda, in, values, [=] __device__(T value, T& kept, int64_t i, int64_t j) {
        double moved = static_cast<double>(value);
        if (by) moved *= by[i % period];
        if (times) moved *= times[j];
        if (down) moved += down[i];
        if (right) moved += right[j];
        kept = static_cast<T>(moved);
    });
}

template <class T>
void mirror_lower(const Cuda& cuda, Matrix<T> values) {
    // Square tiles of neighbouring threads, so that what is read down a column is read by neighbours in time.
    constexpr int64_t tile = 16;
    const int64_t p = values.rows, tiles = (p + tile - 1) / tile;
    require(values.cols == p, "mirror_lower: expected a square matrix");
    for_each(cuda, tiles * tiles * tile * tile, [=] __device__(int64_t at) {
        const int64_t inside = at % (tile * tile), block = at / (tile * tile);
        const int64_t row = block / tiles * tile + inside / tile, col = block % tiles * tile + inside % tile;
        if (row < col && col < p) values.data[row * values.stride + col] = values.data[col * values.stride + row];
    });
}

template <class T>
void spoil_failed(const Cuda& cuda, const int* verdict, Matrix<T> a) {
    for_each(cuda, a.rows, [=] __device__(int64_t i) {
        if (*verdict != 0) a.data[i * a.stride + i] = std::numeric_limits<T>::quiet_NaN();
    });
}

template <class T>
void weighted_sums(const Cuda& cuda, Matrix<const T> values, Vector<const double> weight, Vector<double> out) {
    require((!weight || weight.size == values.rows) && out.size == values.cols,
            "weighted_sums: weight (rows), out (cols)");
    const double* by = weight.data;
    column_sums(
        cuda, values.rows, values.cols,
        [=] __device__(int64_t i, int64_t j) {
            const double value = static_cast<double>(values.data[i * values.stride + j]);
            return by ? by[i] * value : value;
        },
        out.data);
}

template <class T>
void row_sums(const Cuda& cuda, Matrix<const T> values, Vector<double> out) {
    require(out.size == values.rows, "row_sums: out (rows)");
    constexpr int64_t lanes = 32;  // neighbouring threads read neighbours along the row
    const Buffer<double> partial(cuda, lanes * values.rows);
    double *sums = partial.data(), *total = out.data;
    for_each(cuda, lanes * values.rows, [=] __device__(int64_t at) {
        double sum = 0.0;
        for (int64_t j = at % lanes; j < values.cols; j += lanes)
            sum += static_cast<double>(values.data[at / lanes * values.stride + j]);
        sums[at] = sum;
    });
    for_each(cuda, values.rows, [=] __device__(int64_t i) {
        double sum = 0.0;
        for (int64_t lane = 0; lane < lanes; ++lane) sum += sums[i * lanes + lane];
        total[i] = sum;
    });
}

template <class T>
void shifted_products(const Cuda& cuda, Matrix<const T> y, Matrix<const T> prediction, Matrix<const int64_t> shifts,
                      Matrix<double> out) {
    require(y.cols == out.cols && prediction.cols == out.cols && shifts.rows == out.rows && shifts.cols == 3,
            "shifted_products: y and prediction (n, c), shifts (r, 3), out (r, c)");
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols;
        const int64_t* own = shifts.data + i * shifts.stride;
        const int64_t length = own[1], shift = own[2];
        const T *actual = y.data + own[0] * y.stride + j, *guess = prediction.data + own[0] * prediction.stride + j;
        double sum = 0.0;
        for (int64_t t = 0; t < shift; ++t)  // what a shift moves past the end comes in at the begin
            sum += static_cast<double>(actual[(t - shift + length) * y.stride]) *
                   static_cast<double>(guess[t * prediction.stride]);
        for (int64_t t = shift; t < length; ++t)
            sum +=
                static_cast<double>(actual[(t - shift) * y.stride]) * static_cast<double>(guess[t * prediction.stride]);
        out.data[i * out.stride + j] = sum;
    });
}

void sums_of_groups(const Cuda& cuda, Matrix<const double> sums, Matrix<const int64_t> rows,
                    Vector<const int64_t> first, Matrix<double> out) {
    const int64_t groups = first.size - 1, *starts = first.data;
    require(sums.cols == out.cols && groups * rows.rows == out.rows, "sums_of_groups: sums (r, c), out (m K, c)");
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols, k = i % groups;
        const int64_t* own = rows.data + i / groups * rows.stride;
        double sum = 0.0;
        for (int64_t u = starts[k]; u < starts[k + 1]; ++u) sum += sums.data[own[u] * sums.stride + j];
        out.data[i * out.stride + j] = sum;
    });
}

template <class T>
bool all_finite(const Cuda& cuda, const std::vector<Matrix<const T>>& all) {
    // x - x is 0 for a finite x alone, and NaN added to a sum stays.
    int64_t cols = 0;
    for (const Matrix<const T>& values : all) cols += values.cols;
    const Buffer<double> sums(cuda, cols);
    cols = 0;
    for (const Matrix<const T>& values : all) {
        column_sums(
            cuda, values.rows, values.cols,
            [=] __device__(int64_t i, int64_t j) {
                const double value = static_cast<double>(values.data[i * values.stride + j]);
                return value - value;
            },
            sums.data() + cols);
        cols += values.cols;
    }
    for (const double sum : sums.read())
        if (!(sum == 0.0)) return false;
    return true;
}

template void gather(const Cuda&, const Half*, int64_t, int64_t, Matrix<float>);
template void gather(const Cuda&, const BFloat*, int64_t, int64_t, Matrix<float>);
template void gather(const Cuda&, const float*, int64_t, int64_t, Matrix<float>);
template void gather(const Cuda&, const double*, int64_t, int64_t, Matrix<double>);
template void take(const Cuda&, Matrix<const float>, const int64_t*, const int64_t*, Matrix<float>);
template void take(const Cuda&, Matrix<const double>, const int64_t*, const int64_t*, Matrix<double>);
template void take(const Cuda&, Matrix<const int64_t>, const int64_t*, const int64_t*, Matrix<int64_t>);
template void set_columns(const Cuda&, Matrix<const float>, const int64_t*, Matrix<float>);
template void set_columns(const Cuda&, Matrix<const double>, const int64_t*, Matrix<double>);
template void by_target(const Cuda&, Matrix<const float>, int64_t, Matrix<float>);
template void by_target(const Cuda&, Matrix<const double>, int64_t, Matrix<double>);
template void convert(const Cuda&, Matrix<const float>, Matrix<float>);
template void convert(const Cuda&, Matrix<const float>, Matrix<double>);
template void convert(const Cuda&, Matrix<const double>, Matrix<float>);
template void convert(const Cuda&, Matrix<const double>, Matrix<double>);
template void add(const Cuda&, float, Matrix<const float>, Matrix<float>);
template void add(const Cuda&, double, Matrix<const double>, Matrix<double>);
template void scale_and_shift(const Cuda&, Vector<const double>, Vector<const double>, Vector<const double>,
                              Vector<const double>, Matrix<float>);
template void scale_and_shift(const Cuda&, Vector<const double>, Vector<const double>, Vector<const double>,
                              Vector<const double>, Matrix<double>);
template void mirror_lower(const Cuda&, Matrix<float>);
template void mirror_lower(const Cuda&, Matrix<double>);
template void spoil_failed(const Cuda&, const int*, Matrix<float>);
template void spoil_failed(const Cuda&, const int*, Matrix<double>);
template void weighted_sums(const Cuda&, Matrix<const float>, Vector<const double>, Vector<double>);
template void weighted_sums(const Cuda&, Matrix<const double>, Vector<const double>, Vector<double>);
template void row_sums(const Cuda&, Matrix<const float>, Vector<double>);
template void row_sums(const Cuda&, Matrix<const double>, Vector<double>);
template void shifted_products(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<const int64_t>,
                               Matrix<double>);
template void shifted_products(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<const int64_t>,
                               Matrix<double>);
template bool all_finite(const Cuda&, const std::vector<Matrix<const float>>&);
template bool all_finite(const Cuda&, const std::vector<Matrix<const double>>&);

}  // namespace heschl

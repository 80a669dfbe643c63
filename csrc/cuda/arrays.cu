#include <cmath>

#include "arrays.hpp"

namespace heschl {

template <class T>
void take(const Cuda& cuda, Matrix<const T> in, const int64_t* rows, const int64_t* cols, Matrix<T> out) {
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols;
        out.data[i * out.stride + j] = in.data[(rows ? rows[i] : i) * in.stride + (cols ? cols[j] : j)];
    });
}

template <class From, class To>
void convert(const Cuda& cuda, Matrix<const From> in, Matrix<To> out) {
    for_each(cuda, out.rows * out.cols, [=] __device__(int64_t at) {
        const int64_t i = at / out.cols, j = at % out.cols;
        out.data[i * out.stride + j] = static_cast<To>(in.data[i * in.stride + j]);
    });
}

template <class T>
void add(const Cuda& cuda, T factor, Matrix<const T> other, Matrix<T> values) {
    require(values.rows == other.rows && values.cols == other.cols, "add: two matrices of one shape");
    for_each(cuda, values.rows * values.cols, [=] __device__(int64_t at) {
        const int64_t i = at / values.cols, j = at % values.cols;
        values.data[i * values.stride + j] += factor * other.data[i * other.stride + j];
    });
}

template <class T>
void scale_and_shift(const Cuda& cuda, Vector<const double> factor, Vector<const double> row,
                     Vector<const double> column, Matrix<T> values) {
    require((!row || row.size == values.rows) && (!column || column.size == values.cols),
            "scale_and_shift: row (rows), column (cols)");
    const double *by = factor.data, *down = row.data, *across = column.data;
    const int64_t period = std::max<int64_t>(1, factor.size);
    for_each(cuda, values.rows * values.cols, [=] __device__(int64_t at) {
        const int64_t i = at / values.cols, j = at % values.cols;
        T& value = values.data[i * values.stride + j];
        double moved = static_cast<double>(value);
        if (by) moved *= by[i % period];
        if (down) moved += down[i];
        if (across) moved += across[j];
        value = static_cast<T>(moved);
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
bool all_finite(const Cuda& cuda, Matrix<const T> values) {
    // x - x is 0 for a finite x alone, and NaN added to a sum stays.
    const Buffer<double> sums(cuda, values.cols);
    column_sums(
        cuda, values.rows, values.cols,
        [=] __device__(int64_t i, int64_t j) {
            const double value = static_cast<double>(values.data[i * values.stride + j]);
            return value - value;
        },
        sums.data());
    for (const double sum : sums.read())
        if (!(sum == 0.0)) return false;
    return true;
}

template <class T>
void circular_sums(const Cuda& cuda, Matrix<const T> y, Matrix<const T> p, Matrix<const int64_t> units,
                   Matrix<double> out) {
    const int64_t n = y.rows, c = y.cols;
    require(p.rows == n && p.cols == c && out.rows == n && out.cols == c, "circular_sums: y, p and out must be (n, c)");
    std::vector<int64_t> own;  // of each row: start and length of its unit
    for (int64_t u = 0; u < units.rows; ++u)
        for (int64_t s = 0; s < units.row(u)[1]; ++s) own.insert(own.end(), {units.row(u)[0], units.row(u)[1]});
    require(static_cast<int64_t>(own.size()) == 2 * n, "circular_sums: units must cover all rows");
    const Buffer<int64_t> table(cuda, own);
    const int64_t* unit = table.data();
    for_each(cuda, n * c, [=] __device__(int64_t at) {
        const int64_t row = at / c, j = at % c, start = unit[2 * row], length = unit[2 * row + 1], s = row - start;
        double sum = 0.0;
        for (int64_t t = 0; t < length; ++t) {
            const int64_t from = t < s ? t - s + length : t - s;
            sum += static_cast<double>(y.data[(start + from) * y.stride + j]) *
                   static_cast<double>(p.data[(start + t) * p.stride + j]);
        }
        out.data[row * out.stride + j] = sum;
    });
}

void gathered_sums(const Cuda& cuda, Matrix<const double> sums, Matrix<const int64_t> rows, Vector<const int64_t> first,
                   Matrix<double> out) {
    const int64_t folds = first.size - 1, c = sums.cols;
    require(out.rows == rows.rows * folds && out.cols == c, "gathered_sums: out must be (m * K, c)");
    const Buffer<int64_t> edges(cuda, std::vector<int64_t>(first.data, first.data + first.size));
    const Buffer<int64_t> places(cuda, std::vector<int64_t>(rows.data, rows.data + rows.rows * rows.cols));
    const int64_t *edge = edges.data(), *place = places.data(), units = rows.cols;
    for_each(cuda, out.rows * c, [=] __device__(int64_t at) {
        const int64_t i = at / c / folds, k = at / c % folds, j = at % c;
        double sum = 0.0;
        for (int64_t u = edge[k]; u < edge[k + 1]; ++u) sum += sums.data[place[i * units + u] * sums.stride + j];
        out.data[at / c * out.stride + j] = sum;
    });
}

template void take(const Cuda&, Matrix<const float>, const int64_t*, const int64_t*, Matrix<float>);
template void take(const Cuda&, Matrix<const double>, const int64_t*, const int64_t*, Matrix<double>);
template void take(const Cuda&, Matrix<const int64_t>, const int64_t*, const int64_t*, Matrix<int64_t>);
template void convert(const Cuda&, Matrix<const float>, Matrix<float>);
template void convert(const Cuda&, Matrix<const float>, Matrix<double>);
template void convert(const Cuda&, Matrix<const double>, Matrix<float>);
template void convert(const Cuda&, Matrix<const double>, Matrix<double>);
template void add(const Cuda&, float, Matrix<const float>, Matrix<float>);
template void add(const Cuda&, double, Matrix<const double>, Matrix<double>);
template void scale_and_shift(const Cuda&, Vector<const double>, Vector<const double>, Vector<const double>,
                              Matrix<float>);
template void scale_and_shift(const Cuda&, Vector<const double>, Vector<const double>, Vector<const double>,
                              Matrix<double>);
template void weighted_sums(const Cuda&, Matrix<const float>, Vector<const double>, Vector<double>);
template void weighted_sums(const Cuda&, Matrix<const double>, Vector<const double>, Vector<double>);
template void row_sums(const Cuda&, Matrix<const float>, Vector<double>);
template void row_sums(const Cuda&, Matrix<const double>, Vector<double>);
template bool all_finite(const Cuda&, Matrix<const float>);
template bool all_finite(const Cuda&, Matrix<const double>);
template void circular_sums(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<const int64_t>,
                            Matrix<double>);
template void circular_sums(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<const int64_t>,
                            Matrix<double>);

}  // namespace heschl

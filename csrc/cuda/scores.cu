// Scores: every sum of a (fold, target) from one kernel's pass over responses and predictions.
#include "device.hpp"
#include "heschl/cuda.hpp"

namespace heschl {

template <class T>
void score_sums(const Cuda& cuda, Matrix<const T> Y, Matrix<const T> P, Matrix<const int64_t> bounds,
                Vector<const int64_t> fold, Matrix<const double> shift, Matrix<double> sums) {
    const int64_t c = Y.cols, folds = shift.rows / 2;
    require(P.rows == Y.rows && P.cols == c, "score_sums: Y and P must both be (n, c)");
    require(bounds.cols == 2 && fold.size == bounds.rows, "score_sums: bounds must be (s, 2), fold (s)");
    require(shift.rows == folds * 2 && shift.cols == c && sums.rows == folds * 6 && sums.cols == c,
            "score_sums: shift must be (K * 2, c), sums (K * 6, c)");
    for (int64_t k = 0; k < folds; ++k) {
        std::vector<int64_t> rows;
        for (int64_t s = 0; s < bounds.rows; ++s)
            if (fold[s] == k)
                for (int64_t t = bounds.row(s)[0]; t < bounds.row(s)[1]; ++t) rows.push_back(t);
        const Buffer<int64_t> table(cuda, rows);
        const int64_t *row = table.data(), n = static_cast<int64_t>(rows.size());
        const double *y_shift = shift.row(2 * k), *p_shift = shift.row(2 * k + 1);
        constexpr int64_t stretch = 128;
        const int64_t parts = std::max<int64_t>(1, (n + stretch - 1) / stretch);
        const Buffer<double> partial(cuda, parts * 6 * c);
        double *found = partial.data(), *out = sums.row(6 * k);
        const int64_t step = sums.stride;
        for_each(cuda, parts * c, [=] __device__(int64_t at) {
            const int64_t part = at / c, j = at % c, last = (part + 1) * stretch < n ? (part + 1) * stretch : n;
            double six[6] = {};
            for (int64_t i = part * stretch; i < last; ++i) {
                const double a = static_cast<double>(Y.data[row[i] * Y.stride + j]);
                const double b = static_cast<double>(P.data[row[i] * P.stride + j]);
                const double u = a - y_shift[j], v = b - p_shift[j];
                six[0] += u;
                six[1] += v;
                six[2] += u * u;
                six[3] += v * v;
                six[4] += u * v;
                six[5] += (a - b) * (a - b);
            }
            for (int64_t q = 0; q < 6; ++q) found[(part * 6 + q) * c + j] = six[q];
        });
        for_each(cuda, 6 * c, [=] __device__(int64_t at) {
            double sum = 0.0;
            for (int64_t part = 0; part < parts; ++part) sum += found[part * 6 * c + at];
            out[at / c * step + at % c] = sum;
        });
    }
}

template void score_sums(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<const int64_t>,
                         Vector<const int64_t>, Matrix<const double>, Matrix<double>);
template void score_sums(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<const int64_t>,
                         Vector<const int64_t>, Matrix<const double>, Matrix<double>);

}  // namespace heschl

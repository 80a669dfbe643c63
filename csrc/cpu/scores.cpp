// Scores: one pass over responses and predictions, every sum of a (fold, target) at once and in double.
#include "heschl/kernels.hpp"
#include "parallel.hpp"

namespace heschl {
namespace {

// Targets whose sums, six each, stay in the first-level cache while the rows pass by.
constexpr int64_t strip = 256;
// Values below which another thread costs more than it brings.
constexpr int64_t values_per_thread = int64_t{1} << 18;

// The sums of a strip, apart from all other memory so that the compiler may keep the loop over targets in vectors.
struct Strip {
    double y_shift[strip], p_shift[strip];
    double y[strip] = {}, p[strip] = {}, yy[strip] = {}, pp[strip] = {}, yp[strip] = {}, ee[strip] = {};

    template <class T>
    void add(const T* response, const T* prediction, int64_t count) {
        for (int64_t j = 0; j < count; ++j) {
            const double a = static_cast<double>(response[j]), b = static_cast<double>(prediction[j]);
            const double u = a - y_shift[j], v = b - p_shift[j], e = a - b;
            y[j] += u;
            p[j] += v;
            yy[j] += u * u;
            pp[j] += v * v;
            yp[j] += u * v;
            ee[j] += e * e;
        }
    }
};

}  // namespace

template <class T>
void score_sums(const Cpu& cpu, Matrix<const T> Y, Matrix<const T> P, Matrix<const int64_t> bounds,
                Vector<const int64_t> fold, Matrix<const double> shift, Matrix<double> sums) {
    const int64_t c = Y.cols, folds = shift.rows / 2;
    require(P.rows == Y.rows && P.cols == c, "score_sums: Y and P must both be (n, c)");
    require(bounds.cols == 2 && fold.size == bounds.rows, "score_sums: bounds must be (s, 2), fold (s)");
    require(shift.rows == folds * 2 && shift.cols == c && sums.rows == folds * 6 && sums.cols == c,
            "score_sums: shift must be (K * 2, c), sums (K * 6, c)");
    int64_t rows = 0;
    for (int64_t s = 0; s < bounds.rows; ++s) {
        const int64_t begin = bounds.row(s)[0], end = bounds.row(s)[1];
        require(0 <= begin && begin <= end && end <= Y.rows, "score_sums: bounds leave the rows of Y");
        require(0 <= fold[s] && fold[s] < folds, "score_sums: a fold is out of range");
        rows += end - begin;
    }
    const int64_t grain = std::max<int64_t>(16, values_per_thread / std::max<int64_t>(1, rows));
    parallel_for(cpu.n_threads, c, grain, [&](int64_t from, int64_t to) {
        for (int64_t first = from; first < to; first += strip) {
            const int64_t count = std::min(strip, to - first);
            for (int64_t k = 0; k < folds; ++k) {
                Strip part;
                std::copy_n(shift.row(2 * k) + first, count, part.y_shift);
                std::copy_n(shift.row(2 * k + 1) + first, count, part.p_shift);
                for (int64_t s = 0; s < bounds.rows; ++s)
                    for (int64_t t = bounds.row(s)[0]; fold[s] == k && t < bounds.row(s)[1]; ++t)
                        part.add(Y.row(t) + first, P.row(t) + first, count);
                const double* const found[] = {part.y, part.p, part.yy, part.pp, part.yp, part.ee};
                for (int64_t r = 0; r < 6; ++r) std::copy_n(found[r], count, sums.row(6 * k + r) + first);
            }
        }
    });
}

template void score_sums(const Cpu&, Matrix<const float>, Matrix<const float>, Matrix<const int64_t>,
                         Vector<const int64_t>, Matrix<const double>, Matrix<double>);
template void score_sums(const Cpu&, Matrix<const double>, Matrix<const double>, Matrix<const int64_t>,
                         Vector<const int64_t>, Matrix<const double>, Matrix<double>);

}  // namespace heschl

// Leave-one-group-out by its closed form: blocks on the diagonal of (K + alpha I)^-1, from its Cholesky factor.
#include <vector>

#include "heschl/kernels.hpp"
#include "triangle.hpp"

namespace heschl {

template <class T>
void leave_out(const Cpu& cpu, Matrix<const T> U, Vector<const int64_t> starts, double less, Matrix<const T> A,
               Matrix<T> E) {
    const int64_t n = U.rows, c = A.cols, count = starts.size - 1;
    require(U.cols == n && A.rows == n && E.rows == n && E.cols == c, "leave_out: U (n, n), A and E (n, c) differ");
    require(count >= 0 && starts[0] == 0 && starts[count] == n, "leave_out: starts must go from 0 to n");
    for (int64_t g = 0; g < count; ++g) require(starts[g] <= starts[g + 1], "leave_out: starts must ascend");
    constexpr int64_t enough = 256;  // columns: small groups are solved together
    const auto panel_end = [&](int64_t g) {
        int64_t last = g + 1;
        while (last < count && starts[last + 1] - starts[g] <= enough) ++last;
        return last;
    };
    int64_t widest = 0, largest = 0;
    for (int64_t g = 0; g < count; ++g) {
        largest = std::max(largest, starts[g + 1] - starts[g]);
        widest = std::max(widest, starts[panel_end(g)] - starts[g]);
    }
    std::vector<T> panel(static_cast<std::size_t>(n * widest)), square(static_cast<std::size_t>(largest * largest));
    for (int64_t g = 0, last = 0; g < count; g = last) {
        last = panel_end(g);
        // Columns of U'^-1: 0 above their own row, so that only the rows from the panel's first on are solved for.
        const int64_t begin = starts[g], width = starts[last] - begin, rows = n - begin;
        std::fill_n(panel.data(), rows * width, T(0));
        for (int64_t i = 0; i < width; ++i) panel[static_cast<std::size_t>(i * width + i)] = T(1);
        const Matrix<T> Z{panel.data(), rows, width, width};
        half_solve_upper<T>(cpu, {U.row(begin) + begin, rows, rows, U.stride}, Z);
        for (int64_t h = g; h < last; ++h) {
            const int64_t size = starts[h + 1] - starts[h], at = starts[h] - begin;
            const Matrix<T> own{square.data(), size, size, size};
            if (size == 0) continue;
            syrk_lower<T>(cpu, T(1), {Z.row(at) + at, rows - at, size, width}, T(0), own);
            for (int64_t i = 0; i < size; ++i)
                for (int64_t j = 0; j <= i; ++j)
                    own.row(i)[j] = static_cast<T>(static_cast<double>(own.row(i)[j]) - less);
            mirror(cpu, own);
            const Matrix<T> errors{E.row(starts[h]), size, c, E.stride};
            for (int64_t i = 0; i < size; ++i) std::copy_n(A.row(starts[h] + i), c, errors.row(i));
            cholesky_upper(cpu, own);
            solve_upper<T>(cpu, {own.data, size, size, size}, errors);
        }
    }
}

template void leave_out(const Cpu&, Matrix<const float>, Vector<const int64_t>, double, Matrix<const float>,
                        Matrix<float>);
template void leave_out(const Cpu&, Matrix<const double>, Vector<const int64_t>, double, Matrix<const double>,
                        Matrix<double>);

}  // namespace heschl

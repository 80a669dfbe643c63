// The dual form, for heschl._core.
#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {
namespace {

template <class T>
void bind(py::module_& m) {
    using A = Array<T>;
    using I = Array<int64_t>;
    using Release = py::gil_scoped_release;

    m.def(
        "lagged_kernel",
        [](const A& a, const I& a_ranges, const A& b, const I& b_ranges, int64_t first, int64_t count, A& K,
           int64_t n_threads) {
            const auto left = in2<T>(a), right = in2<T>(b);
            const auto rows = ranges_of(a_ranges, left.rows), cols = ranges_of(b_ranges, right.rows);
            const auto k = out2<T>(K);
            Release unlocked;
            lagged_kernel<T>(device(n_threads), left, rows, right, cols, lags_of(first, count), k);
        },
        strict("a"), strict("a_ranges"), strict("b"), strict("b_ranges"), py::arg("first_lag"), py::arg("n_lags"),
        strict("K"), py::arg("n_threads"));

    m.def(
        "leave_out",
        [](const A& U, const I& starts, double less, const A& loadings, A& E, int64_t n_threads) {
            const auto u = in2<T>(U), given = in2<T>(loadings);
            const auto groups = in1<int64_t>(starts);
            const auto errors = out2<T>(E);
            Release unlocked;
            leave_out<T>(device(n_threads), u, groups, less, given, errors);
        },
        strict("U"), strict("starts"), py::arg("less"), strict("A"), strict("E"), py::arg("n_threads"));
}

}  // namespace

void bind_dual(py::module_& m) {
    bind<float>(m);
    bind<double>(m);
}

}  // namespace heschl::bindings

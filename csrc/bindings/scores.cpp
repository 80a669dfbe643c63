// Scores, for heschl._core.
#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {
namespace {

template <class T>
void bind(py::module_& m) {
    using A = Array<T>;
    using D = Array<double>;
    using I = Array<int64_t>;

    m.def(
        "score_sums",
        [](const A& Y, const A& P, const I& bounds, const I& fold, const D& shift, D& sums, int64_t n_threads) {
            const auto y = in2<T>(Y), p = in2<T>(P);
            const auto rows = in2<int64_t>(bounds);
            const auto folds = in1<int64_t>(fold);
            const auto s = in2<double>(shift);
            const auto out = out2<double>(sums);
            py::gil_scoped_release unlocked;
            score_sums<T>(device(n_threads), y, p, rows, folds, s, out);
        },
        strict("Y"), strict("P"), strict("bounds"), strict("fold"), strict("shift"), strict("sums"),
        py::arg("n_threads"));
}

}  // namespace

void bind_scores(py::module_& m) {
    bind<float>(m);
    bind<double>(m);
}

}  // namespace heschl::bindings

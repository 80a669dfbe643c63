// The dual form, scores and CCA, for heschl._core.
#include "heschl/kernels.hpp"
#include "kernels_others.hpp"

namespace heschl::bindings {
namespace {

template <class T>
void bind_leave_out(py::module_& m) {
    using A = Array<T>;
    using I = Array<int64_t>;
    using Release = py::gil_scoped_release;

    m.def(
        "leave_out",
        [](const A& U, const I& starts, double less, const A& loadings, A& E, int64_t n_threads) {
            const auto u = in2<T>(U), given = in2<T>(loadings);
            const auto groups = in1<int64_t>(starts);
            const auto errors = out2<T>(E);
            Release unlocked;
            leave_out<T>(OnCpu::context(n_threads), u, groups, less, given, errors);
        },
        strict("U"), strict("starts"), py::arg("less"), strict("A"), strict("E"), py::arg("device"));
}

}  // namespace

void bind_others(py::module_& m) {
    bind_dual_scores_cca<OnCpu, float>(m);
    bind_dual_scores_cca<OnCpu, double>(m);
    bind_largest_singular<OnCpu>(m);
    bind_leave_out<float>(m);
    bind_leave_out<double>(m);
}

}  // namespace heschl::bindings

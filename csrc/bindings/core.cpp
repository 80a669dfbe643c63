// heschl._core: the kernels on the CPU. The last argument of each is the number of threads.
#include "cca.hpp"
#include "dual.hpp"
#include "errors.hpp"
#include "moments.hpp"
#include "predict.hpp"
#include "products.hpp"
#include "ridge.hpp"
#include "scipy_blas.hpp"
#include "scores.hpp"

namespace heschl::bindings {
namespace {

template <class T>
void bind(py::module_& m) {
    bind_moments<OnCpu, T>(m);
    bind_lagged_sums<OnCpu, T>(m);
    bind_ridge<OnCpu, T>(m);
    bind_predict<OnCpu, T>(m);
    bind_dual<OnCpu, T>(m);
    bind_leave_out<T>(m);
    bind_multiply<OnCpu, T>(m);
    bind_complex_products<T, T>(m);
    bind_scores<OnCpu, T>(m);
    bind_cca<OnCpu, T>(m);
}

}  // namespace
}  // namespace heschl::bindings

PYBIND11_MODULE(_core, m) {
    m.doc() = "heschl's compiled kernels; see csrc/include/heschl/kernels.hpp for shapes and meaning.";
    pybind11::register_local_exception_translator(heschl::bindings::translate);
    heschl::bindings::scipy_blas();  // fail at import, with a reason, rather than at the first product
    heschl::bindings::bind_sum_operations(m);
    heschl::bindings::bind<float>(m);
    heschl::bindings::bind<double>(m);
    heschl::bindings::bind_complex_products<float, double>(m);
    heschl::bindings::bind_largest_singular<heschl::bindings::OnCpu>(m);
}

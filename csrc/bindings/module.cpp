// heschl._core: the kernels on the CPU. The last argument of each is the number of threads.
#include "blas.hpp"
#include "errors.hpp"
#include "kernels.hpp"

namespace heschl::bindings {

void bind_others(py::module_& m);  // others.cpp

}  // namespace heschl::bindings

PYBIND11_MODULE(_core, m) {
    m.doc() = "heschl's compiled kernels; see csrc/include/heschl/kernels.hpp for shapes and meaning.";
    pybind11::register_local_exception_translator(heschl::bindings::translate);
    heschl::bindings::scipy_blas();  // fail at import, with a reason, rather than at the first product
    heschl::bindings::bind_ridge<heschl::bindings::OnCpu, float>(m);
    heschl::bindings::bind_ridge<heschl::bindings::OnCpu, double>(m);
    heschl::bindings::bind_others(m);
}

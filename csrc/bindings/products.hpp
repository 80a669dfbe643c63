// Products of matrices that threads share, as Python sees them; on the CPU.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class T>
void bind_products(py::module_& m) {
    using A = Array<T>;
    m.def(
        "multiply",
        [](const A& a, const A& b, bool transpose_a, bool transpose_b, T scale, T keep, A& out, int64_t n_threads) {
            const auto left = in2<T>(a), right = in2<T>(b);
            const auto product = out2<T>(out);
            py::gil_scoped_release unlocked;
            multiply<T>(OnCpu::context(n_threads), transpose_a, transpose_b, scale, left, right, keep, product);
        },
        strict("a"), strict("b"), py::arg("transpose_a"), py::arg("transpose_b"), py::arg("scale"), py::arg("keep"),
        strict("out"), py::arg(OnCpu::handle_name));
    m.def(
        "complex_products",
        [](const A& middle, const A& plus, const std::optional<A>& minus, bool transposed, int64_t frequencies,
           const A& V, T keep, A& out, int64_t n_threads) {
            const auto a = in2<T>(middle), sum = in2<T>(plus), v = in2<T>(V);
            const auto difference = minus ? in2<T>(*minus) : Matrix<const T>{};
            const auto product = out2<T>(out);
            py::gil_scoped_release unlocked;
            complex_products<T>(OnCpu::context(n_threads), a, sum, difference, transposed, frequencies, v, keep,
                                product);
        },
        strict("middle"), strict("plus"), strict("minus"), py::arg("transposed"), py::arg("frequencies"), strict("V"),
        py::arg("keep"), strict("out"), py::arg(OnCpu::handle_name));
}

}  // namespace heschl::bindings

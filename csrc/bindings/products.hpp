// Products of matrices as Python sees them, on either device; of complex ones, on the CPU.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_multiply(py::module_& m) {
    using A = typename Device::template Array<T>;
    m.def(
        "multiply",
        [](const A& a, const A& b, bool transpose_a, bool transpose_b, T scale, T keep, A& out,
           typename Device::Handle handle) {
            const auto left = in2<T>(a), right = in2<T>(b);
            const auto product = out2<T>(out);
            py::gil_scoped_release unlocked;
            multiply<T>(Device::context(handle), transpose_a, transpose_b, scale, left, right, keep, product);
        },
        strict("a"), strict("b"), py::arg("transpose_a"), py::arg("transpose_b"), py::arg("scale"), py::arg("keep"),
        strict("out"), py::arg(Device::handle_name));
}

// Blocks of S, vectors of T.
template <class S, class T>
void bind_complex_products(py::module_& m) {
    using Blocks = Array<S>;
    using A = Array<T>;
    m.def(
        "complex_products",
        [](const Blocks& middle, const Blocks& plus, const std::optional<Blocks>& minus, bool transposed,
           int64_t frequencies, const A& V, T keep, A& out, int64_t n_threads) {
            const auto a = in2<S>(middle), sum = in2<S>(plus);
            const auto difference = minus ? in2<S>(*minus) : Matrix<const S>{};
            const auto v = in2<T>(V);
            const auto product = out2<T>(out);
            py::gil_scoped_release unlocked;
            complex_products<S, T>(OnCpu::context(n_threads), a, sum, difference, transposed, frequencies, v, keep,
                                   product);
        },
        strict("middle"), strict("plus"), strict("minus"), py::arg("transposed"), py::arg("frequencies"), strict("V"),
        py::arg("keep"), strict("out"), py::arg(OnCpu::handle_name));
}

}  // namespace heschl::bindings

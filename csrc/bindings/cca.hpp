// Canonical correlations, as Python sees them on either device: layout checks, the GIL released, no copies, no logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_cca(py::module_& m) {
    using A = typename Device::template Array<T>;
    using D = typename Device::template Array<double>;
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "whiten_rows",
        [](const A& X, const D& mean, const D& factor, const std::optional<D>& U, std::optional<A>& Q,
           std::optional<D>& gram, Handle handle) {
            const auto x = in2<T>(X);
            const auto m_ = in1<double>(mean), f = in1<double>(factor);
            const auto u = U ? in2<double>(*U) : Matrix<const double>{};
            const auto q = Q ? out2<T>(*Q) : Matrix<T>{};
            const auto g = gram ? out2<double>(*gram) : Matrix<double>{};
            Release unlocked;
            whiten_rows<T>(Device::context(handle), x, m_, f, u, q, g);
        },
        strict("X"), strict("mean"), strict("factor"), strict("U"), strict("Q"), strict("gram"),
        py::arg(Device::handle_name));
}

template <class Device>
void bind_largest_singular(py::module_& m) {
    using D = typename Device::template Array<double>;
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "largest_singular",
        [](const D& M, const Array<int64_t>& edges, int64_t k, D& values, std::optional<D>& vectors, Handle handle) {
            const auto given = in2<double>(M);
            const auto parts = in1<int64_t>(edges);
            const auto s = out2<double>(values);
            const auto u = vectors ? out2<double>(*vectors) : Matrix<double>{};
            require(k >= 1 && parts.size >= 1, "expected k >= 1 and at least one edge");
            Release unlocked;
            largest_singular(Device::context(handle), given, parts, k, s, u);
        },
        strict("M"), strict("edges"), py::arg("k"), strict("values"), strict("vectors"), py::arg(Device::handle_name));
}

}  // namespace heschl::bindings

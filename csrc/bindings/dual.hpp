// The kernel matrix of the dual form, and leaving groups out of it, as Python sees them on either device: layout
// checks, the GIL released, no copies, no logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_dual(py::module_& m) {
    using A = typename Device::template Array<T>;
    using I = Array<int64_t>;  // on the host
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "lagged_kernel",
        [](const A& a, const I& a_ranges, const A& b, const I& b_ranges, int64_t first, int64_t count, A& K,
           Handle handle) {
            const auto left = in2<T>(a), right = in2<T>(b);
            const auto rows = ranges_of(a_ranges, left.rows), cols = ranges_of(b_ranges, right.rows);
            const auto k = out2<T>(K);
            Release unlocked;
            lagged_kernel<T>(Device::context(handle), left, rows, right, cols, lags_of(first, count), k);
        },
        strict("a"), strict("a_ranges"), strict("b"), strict("b_ranges"), py::arg("first_lag"), py::arg("n_lags"),
        strict("K"), py::arg(Device::handle_name));
}

// On the CPU alone.
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
        strict("U"), strict("starts"), py::arg("less"), strict("A"), strict("E"), py::arg(OnCpu::handle_name));
}

}  // namespace heschl::bindings

// Sums behind scores, as Python sees them on either device: layout checks, the GIL released, no copies, no logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_scores(py::module_& m) {
    using A = typename Device::template Array<T>;
    using D = typename Device::template Array<double>;
    using I = Array<int64_t>;  // on the host
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "score_sums",
        [](const A& Y, const A& P, const I& bounds, const I& fold, const D& shift, D& sums, Handle handle) {
            const auto y = in2<T>(Y), p = in2<T>(P);
            const auto rows = in2<int64_t>(bounds);
            const auto folds = in1<int64_t>(fold);
            const auto s = in2<double>(shift);
            const auto out = out2<double>(sums);
            Release unlocked;
            score_sums<T>(Device::context(handle), y, p, rows, folds, s, out);
        },
        strict("Y"), strict("P"), strict("bounds"), strict("fold"), strict("shift"), strict("sums"),
        py::arg(Device::handle_name));
}

}  // namespace heschl::bindings

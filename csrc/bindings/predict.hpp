// Predictions, and their errors, as Python sees them on either device: layout checks, the GIL released, no copies, no
// logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_predict(py::module_& m) {
    using A = typename Device::template Array<T>;
    using D = typename Device::template Array<double>;
    using I = Array<int64_t>;  // on the host
    using Runs = std::optional<typename Device::template Array<int64_t>>;
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "lagged_predict",
        [](const A& H, const Runs& run, const A& h_shift, const I& ranges, int64_t first, int64_t count, const A& W,
           A& P, Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto w = in2<T>(W);
            const auto shift = in1<T>(h_shift);
            const auto rows = ranges_of(ranges, h.count);
            const auto p = out2<T>(P);
            Release unlocked;
            lagged_predict<T>(Device::context(handle), h, shift, rows, lags_of(first, count), w, p);
        },
        strict("H"), strict("run"), strict("h_shift"), strict("ranges"), py::arg("first_lag"), py::arg("n_lags"),
        strict("W"), strict("P"), py::arg(Device::handle_name));

    m.def(
        "lagged_sse",
        [](const A& H, const Runs& run, const A& Y, const A& h_shift, const I& ranges, int64_t first, int64_t count,
           const A& W, const A& intercept, D& sse, Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto y = in2<T>(Y), w = in2<T>(W);
            const auto shift = in1<T>(h_shift), b = in1<T>(intercept);
            const auto rows = ranges_of(ranges, h.count);
            const auto out = out1<double>(sse);
            Release unlocked;
            lagged_sse<T>(Device::context(handle), h, y, shift, rows, lags_of(first, count), w, b, out);
        },
        strict("H"), strict("run"), strict("Y"), strict("h_shift"), strict("ranges"), py::arg("first_lag"),
        py::arg("n_lags"), strict("W"), strict("intercept"), strict("sse"), py::arg(Device::handle_name));
}

}  // namespace heschl::bindings

// Normal equations, solved and scored, as Python sees them on either device: layout checks, the GIL released, no
// copies, no logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_ridge(py::module_& m) {
    using A = typename Device::template Array<T>;
    using D = typename Device::template Array<double>;
    using I = Array<int64_t>;  // on the host
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "lagged_gram",
        [](const A& first_column, const A& leaving, const A& entering, const D& pair_sums, const D& pair_counts,
           const D& offset, const D& scale, double inverse_n, int64_t first, int64_t count, A& G, Handle handle) {
            const auto b = in2<T>(first_column), out = in2<T>(leaving), in = in2<T>(entering);
            const auto u = in2<double>(pair_sums);
            const auto k = in1<double>(pair_counts);
            const Standardisation how{in1<double>(offset), in1<double>(scale), inverse_n};
            require(how.offset.size == b.cols && how.scale.size == b.cols, "expected offset and scale of size d");
            const auto g = out2<T>(G);
            Release unlocked;
            lagged_gram<T>(Device::context(handle), b, out, in, u, k, how, lags_of(first, count), g);
        },
        strict("first_column"), strict("leaving"), strict("entering"), strict("pair_sums"), strict("pair_counts"),
        strict("offset"), strict("scale"), py::arg("inverse_n"), py::arg("first_lag"), py::arg("n_lags"), strict("G"),
        py::arg(Device::handle_name));

    m.def(
        "lagged_cross",
        [](const A& cross, const D& pair_sums, const D& pair_counts, const D& target_sums, const D& y_mean,
           const D& offset, const D& scale, double inverse_n, int64_t first, int64_t count, A& R, Handle handle) {
            const auto x = in2<T>(cross);
            const auto u = in2<double>(pair_sums), v = in2<double>(target_sums);
            const auto k = in1<double>(pair_counts), mean = in1<double>(y_mean);
            const Standardisation how{in1<double>(offset), in1<double>(scale), inverse_n};
            require(how.offset.size == u.cols && how.scale.size == u.cols, "expected offset and scale of size d");
            const auto r = out2<T>(R);
            Release unlocked;
            lagged_cross<T>(Device::context(handle), x, u, k, v, mean, how, lags_of(first, count), r);
        },
        strict("cross"), strict("pair_sums"), strict("pair_counts"), strict("target_sums"), strict("y_mean"),
        strict("offset"), strict("scale"), py::arg("inverse_n"), py::arg("first_lag"), py::arg("n_lags"), strict("R"),
        py::arg(Device::handle_name));

    m.def(
        "ridge_solve",
        [](A& G, const A& diagonal, double alpha, A& W, Handle handle) {
            const auto g = out2<T>(G), w = out2<T>(W);
            const auto diag = in1<T>(diagonal);
            Release unlocked;
            ridge_solve<T>(Device::context(handle), g, diag, alpha, w);
        },
        strict("G"), strict("diagonal"), py::arg("alpha"), strict("W"), py::arg(Device::handle_name));

    m.def(
        "ridge_residual",
        [](const A& G, const A& diagonal, const std::vector<double>& alphas, const A& R, const A& W, const I& targets,
           Handle handle) {
            const auto g = in2<T>(G), r = in2<T>(R), w = in2<T>(W);
            const auto diag = in1<T>(diagonal);
            const auto sample = in1<int64_t>(targets);
            Release unlocked;
            return ridge_residual<T>(Device::context(handle), g, diag, alphas, r, w, sample);
        },
        strict("G"), strict("diagonal"), py::arg("alphas"), strict("R"), strict("W"), strict("targets"),
        py::arg(Device::handle_name));

    m.def(
        "quadratic_errors",
        [](const A& G, const A& R, const A& W, D& out, Handle handle) {
            const auto g = in2<T>(G), r = in2<T>(R), w = in2<T>(W);
            const auto errors = out1<double>(out);
            Release unlocked;
            quadratic_errors<T>(Device::context(handle), g, r, w, errors);
        },
        strict("G"), strict("R"), strict("W"), strict("out"), py::arg(Device::handle_name));
}

}  // namespace heschl::bindings

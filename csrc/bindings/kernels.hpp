// The kernels as Python sees them, on either device: layout checks, the GIL released, no copies, no logic.
#pragma once

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_ridge(py::module_& m) {
    using A = typename Device::template Array<T>;
    using D = typename Device::template Array<double>;
    using I = Array<int64_t>;  // on the host
    using Runs = std::optional<typename Device::template Array<int64_t>>;
    using Handle = typename Device::Handle;
    using Release = py::gil_scoped_release;

    m.def(
        "lagged_design",
        [](const A& H, const Runs& run, const A& h_shift, const I& ranges, int64_t first, int64_t count, A& X,
           Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto shift = in1<T>(h_shift);
            require(shift.size == h.cols(), "expected a shift of size d");
            const auto rows = ranges_of(ranges, h.count);
            const auto x = out2<T>(X);
            Release unlocked;
            lagged_design<T>(Device::context(handle), h, shift, rows, lags_of(first, count), x);
        },
        strict("H"), strict("run"), strict("h_shift"), strict("ranges"), py::arg("first_lag"), py::arg("n_lags"),
        strict("X"), py::arg("device"));

    m.def(
        "lagged_moments",
        [](const A& H, const Runs& run, const A& h_shift, const I& ranges, int64_t first, int64_t count,
           A& first_column, A& leaving, A& entering, D& pair_sums, D& pair_counts, Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto shift = in1<T>(h_shift);
            const auto rows = ranges_of(ranges, h.count);
            const FeatureMoments<T> out{out2<T>(first_column), out2<T>(leaving), out2<T>(entering),
                                        out2<double>(pair_sums), out1<double>(pair_counts)};
            Release unlocked;
            lagged_moments<T>(Device::context(handle), h, shift, rows, lags_of(first, count), out);
        },
        strict("H"), strict("run"), strict("h_shift"), strict("ranges"), py::arg("first_lag"), py::arg("n_lags"),
        strict("first_column"), strict("leaving"), strict("entering"), strict("pair_sums"), strict("pair_counts"),
        py::arg("device"));

    m.def(
        "lagged_pair",
        [](const A& a, const Runs& a_run, const A& a_shift, const A& b, const Runs& b_run, const A& b_shift,
           const I& ranges, int64_t first, int64_t count, A& first_column, Handle handle) {
            const auto left = frames_of<T>(a, a_run), right = frames_of<T>(b, b_run);
            const auto left_shift = in1<T>(a_shift), right_shift = in1<T>(b_shift);
            require(left.count == right.count, "expected features of equally many frames");
            require(left_shift.size == left.cols() && right_shift.size == right.cols(), "expected shifts of size d");
            const auto rows = ranges_of(ranges, left.count);
            const auto out = out2<T>(first_column);
            Release unlocked;
            lagged_pair<T>(Device::context(handle), left, left_shift, right, right_shift, rows, lags_of(first, count),
                           out);
        },
        strict("a"), strict("a_run"), strict("a_shift"), strict("b"), strict("b_run"), strict("b_shift"),
        strict("ranges"), py::arg("first_lag"), py::arg("n_lags"), strict("first_column"), py::arg("device"));

    m.def(
        "lagged_targets",
        [](const A& H, const Runs& run, const A& h_shift, const A& Y, const A& y_shift, const I& ranges, int64_t first,
           int64_t count, A& cross, D& target_sums, D& totals, Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto y = in2<T>(Y);
            const auto hs = in1<T>(h_shift), ys = in1<T>(y_shift);
            const auto rows = ranges_of(ranges, h.count);
            const TargetMoments<T> out{out2<T>(cross), out2<double>(target_sums), out2<double>(totals)};
            Release unlocked;
            lagged_targets<T>(Device::context(handle), h, hs, y, ys, rows, lags_of(first, count), out);
        },
        strict("H"), strict("run"), strict("h_shift"), strict("Y"), strict("y_shift"), strict("ranges"),
        py::arg("first_lag"), py::arg("n_lags"), strict("cross"), strict("target_sums"), strict("totals"),
        py::arg("device"));

    m.def(
        "feature_statistics",
        [](const A& H, const Runs& run, const A& h_shift, const I& ranges, D& sums, A& extremes, Handle handle) {
            const auto h = frames_of<T>(H, run);
            const auto shift = in1<T>(h_shift);
            require(shift.size == h.cols(), "expected a shift of size d");
            const auto rows = ranges_of(ranges, h.count);
            const auto s = out2<double>(sums);
            const auto e = out2<T>(extremes);
            Release unlocked;
            feature_statistics<T>(Device::context(handle), h, shift, rows, s, e);
        },
        strict("H"), strict("run"), strict("h_shift"), strict("ranges"), strict("sums"), strict("extremes"),
        py::arg("device"));

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
        py::arg("device"));

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
        py::arg("device"));

    m.def(
        "ridge_solve",
        [](A& G, const A& diagonal, double alpha, A& W, Handle handle) {
            const auto g = out2<T>(G), w = out2<T>(W);
            const auto diag = in1<T>(diagonal);
            Release unlocked;
            ridge_solve<T>(Device::context(handle), g, diag, alpha, w);
        },
        strict("G"), strict("diagonal"), py::arg("alpha"), strict("W"), py::arg("device"));

    m.def(
        "ridge_residual",
        [](const A& G, const A& diagonal, double alpha, const A& R, const A& W, const I& targets, Handle handle) {
            const auto g = in2<T>(G), r = in2<T>(R), w = in2<T>(W);
            const auto diag = in1<T>(diagonal);
            const auto sample = in1<int64_t>(targets);
            Release unlocked;
            return ridge_residual<T>(Device::context(handle), g, diag, alpha, r, w, sample);
        },
        strict("G"), strict("diagonal"), py::arg("alpha"), strict("R"), strict("W"), strict("targets"),
        py::arg("device"));

    m.def(
        "quadratic_errors",
        [](const A& G, const A& R, const A& W, D& out, Handle handle) {
            const auto g = in2<T>(G), r = in2<T>(R), w = in2<T>(W);
            const auto errors = out1<double>(out);
            Release unlocked;
            quadratic_errors<T>(Device::context(handle), g, r, w, errors);
        },
        strict("G"), strict("R"), strict("W"), strict("out"), py::arg("device"));

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
        strict("W"), strict("P"), py::arg("device"));

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
        py::arg("n_lags"), strict("W"), strict("intercept"), strict("sse"), py::arg("device"));
}

}  // namespace heschl::bindings

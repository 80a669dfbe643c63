// The design and its lagged moments, as Python sees them on either device: layout checks, the GIL released, no copies,
// no logic.
#pragma once

#include <limits>
#include <type_traits>
#include <utility>

#include "arrays.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {

template <class Device, class T>
void bind_moments(py::module_& m) {
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
        strict("X"), py::arg(Device::handle_name));

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
        py::arg(Device::handle_name));

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
        strict("ranges"), py::arg("first_lag"), py::arg("n_lags"), strict("first_column"),
        py::arg(Device::handle_name));

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
        py::arg(Device::handle_name));

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
        py::arg(Device::handle_name));
}

// The two ways to the sums that moments are made of.
template <class Device, class T>
void bind_lagged_sums(py::module_& m) {
    using A = typename Device::template Array<T>;
    using Handle = typename Device::Handle;
    using Context = const std::remove_cvref_t<decltype(Device::context(std::declval<Handle>()))>&;
    using Sum =
        void (*)(Context, Frames<T>, Vector<const T>, Frames<T>, Vector<const T>, Product, Ranges, Lags, Matrix<T>);
    const auto bind = [&](const char* name, Sum sum) {
        m.def(
            name,
            [sum](const A& a, const A& a_shift, const A& b, const A& b_shift, Product product,
                  const Array<int64_t>& ranges, int64_t first, int64_t count, A& out, Handle handle) {
                const auto left = frames_of<T>(a, std::nullopt), right = frames_of<T>(b, std::nullopt);
                const auto left_shift = in1<T>(a_shift), right_shift = in1<T>(b_shift);
                const auto sums = out2<T>(out);
                require(left.count == right.count, "expected as many frames on either side");
                require(left_shift.size == left.cols() && right_shift.size == right.cols(),
                        "expected shifts of size d");
                require(sums.rows == count * left.cols() && sums.cols == right.cols(),
                        "expected sums of shape (n_lags * d_a, d_b)");
                const auto rows = ranges_of(ranges, left.count);
                py::gil_scoped_release unlocked;
                sum(Device::context(handle), left, left_shift, right, right_shift, product, rows, lags_of(first, count),
                    sums);
            },
            strict("a"), strict("a_shift"), strict("b"), strict("b_shift"), py::arg("product"), strict("ranges"),
            py::arg("first_lag"), py::arg("n_lags"), strict("out"), py::arg(Device::handle_name));
    };
    bind("sum_by_lag", static_cast<Sum>(sum_by_lag<T>));
    bind("sum_by_frequency", static_cast<Sum>(sum_by_frequency<T>));
}

inline void bind_sum_operations(py::module_& m) {
    py::enum_<Product>(m, "Product")
        .value("itself", Product::itself)
        .value("features", Product::features)
        .value("responses", Product::responses);
    m.def(
        "sum_operations",
        [](const Array<int64_t>& ranges, int64_t first, int64_t count, int64_t d_a, int64_t d_b, Product product,
           bool on_gpu) {
            const auto found = sum_operations(ranges_of(ranges, std::numeric_limits<int64_t>::max()),
                                              lags_of(first, count), d_a, d_b, product, on_gpu);
            return std::pair(found.by_lag, found.by_frequency);
        },
        strict("ranges"), py::arg("first_lag"), py::arg("n_lags"), py::arg("d_a"), py::arg("d_b"), py::arg("product"),
        py::arg("on_gpu") = false);
}

}  // namespace heschl::bindings

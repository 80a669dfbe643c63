// heschl._core: dtype and layout checks, the GIL released, no copies, no logic.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "blas.hpp"
#include "heschl/kernels.hpp"

namespace heschl::bindings {
namespace py = pybind11;

template <class T>
using Array = py::array_t<T>;

// Input (const) or output views of NumPy arrays; a wrong layout is an error, never a copy.
template <class T>
Matrix<const T> in2(const Array<T>& array) {
    const auto item = static_cast<py::ssize_t>(sizeof(T));
    require(array.ndim() == 2, "expected a 2-D array");
    require(array.shape(1) <= 1 || array.strides(1) == item, "expected rows that are contiguous in memory");
    require(array.shape(0) <= 1 || (array.strides(0) >= array.shape(1) * item && array.strides(0) % item == 0),
            "expected rows in ascending memory order that do not overlap");
    const py::ssize_t stride = array.shape(0) <= 1 ? array.shape(1) : array.strides(0) / item;
    return {array.data(), array.shape(0), array.shape(1), stride};
}

template <class T>
Matrix<T> out2(Array<T>& array) {
    const Matrix<const T> view = in2<T>(array);
    return {array.mutable_data(), view.rows, view.cols, view.stride};  // mutable_data() refuses a read-only array
}

template <class T>
Vector<const T> in1(const Array<T>& array) {
    require(array.ndim() == 1 && (array.size() <= 1 || array.strides(0) == static_cast<py::ssize_t>(sizeof(T))),
            "expected a contiguous 1-D array");
    return {array.data(), array.size()};
}

template <class T>
Vector<T> out1(Array<T>& array) {
    const Vector<const T> view = in1<T>(array);
    return {array.mutable_data(), view.size};
}

Segments segments_of(const Array<int64_t>& bounds, int64_t n) {
    const Matrix<const int64_t> view = in2<int64_t>(bounds);
    require(view.cols == 2 && view.stride == 2, "expected segment bounds as a contiguous (s, 2) array");
    const Segments segments{view.data, view.rows};
    for (int64_t s = 0; s < segments.count; ++s)
        require(0 <= segments.begin(s) && segments.begin(s) < segments.end(s) && segments.end(s) <= n,
                "expected segments 0 <= begin < end <= n");
    return segments;
}

Lags lags_of(int64_t first, int64_t count) {
    require(count > 0, "expected at least one lag");
    return {first, count};
}

Cpu device(int64_t n_threads) {
    Cpu cpu = scipy_blas();
    cpu.n_threads = n_threads;
    return cpu;
}

template <class T>
void bind(py::module_& m) {
    using A = Array<T>;
    using D = Array<double>;
    using I = Array<int64_t>;
    using Release = py::gil_scoped_release;
    const auto strict = [](const char* name) { return py::arg(name).noconvert(); };

    m.def(
        "lagged_design",
        [](const A& H, const I& bounds, int64_t first, int64_t count, A& X, int64_t n_threads) {
            const auto h = in2<T>(H);
            const auto segments = segments_of(bounds, h.rows);
            const auto x = out2<T>(X);
            Release unlocked;
            lagged_design<T>(device(n_threads), h, segments, lags_of(first, count), x);
        },
        strict("H"), strict("bounds"), py::arg("first_lag"), py::arg("n_lags"), strict("X"), py::arg("n_threads"));

    m.def(
        "lagged_moments",
        [](const A& H, const A& Y, const A& h_shift, const A& y_shift, const I& bounds, int64_t first, int64_t count,
           A& first_column, A& cross, A& edges, D& pair_sums, D& pair_counts, D& target_sums, D& feature_sums,
           D& totals, int64_t n_threads) {
            const auto h = in2<T>(H), y = in2<T>(Y);
            const auto hs = in1<T>(h_shift), ys = in1<T>(y_shift);
            const auto segments = segments_of(bounds, h.rows);
            const MomentViews<T> out{out2<T>(first_column),
                                     out2<T>(cross),
                                     out2<T>(edges),
                                     out2<double>(pair_sums),
                                     out1<double>(pair_counts),
                                     out2<double>(target_sums),
                                     out2<double>(feature_sums),
                                     out2<double>(totals)};
            Release unlocked;
            lagged_moments<T>(device(n_threads), h, y, hs, ys, segments, lags_of(first, count), out);
        },
        strict("H"), strict("Y"), strict("h_shift"), strict("y_shift"), strict("bounds"), py::arg("first_lag"),
        py::arg("n_lags"), strict("first_column"), strict("cross"), strict("edges"), strict("pair_sums"),
        strict("pair_counts"), strict("target_sums"), strict("feature_sums"), strict("totals"), py::arg("n_threads"));

    m.def(
        "lagged_gram",
        [](const A& first_column, const A& edges, const D& pair_sums, const D& pair_counts, const D& offset,
           const D& scale, double inverse_n, int64_t first, int64_t count, A& G, int64_t n_threads) {
            const auto b = in2<T>(first_column), e = in2<T>(edges);
            const auto u = in2<double>(pair_sums);
            const auto k = in1<double>(pair_counts);
            const Standardisation how{in1<double>(offset), in1<double>(scale), inverse_n};
            require(how.offset.size == b.cols && how.scale.size == b.cols, "expected offset and scale of size d");
            const auto g = out2<T>(G);
            Release unlocked;
            lagged_gram<T>(device(n_threads), b, e, u, k, how, lags_of(first, count), g);
        },
        strict("first_column"), strict("edges"), strict("pair_sums"), strict("pair_counts"), strict("offset"),
        strict("scale"), py::arg("inverse_n"), py::arg("first_lag"), py::arg("n_lags"), strict("G"),
        py::arg("n_threads"));

    m.def(
        "lagged_cross",
        [](const A& cross, const D& pair_sums, const D& pair_counts, const D& target_sums, const D& y_mean,
           const D& offset, const D& scale, double inverse_n, int64_t first, int64_t count, A& R, int64_t n_threads) {
            const auto x = in2<T>(cross);
            const auto u = in2<double>(pair_sums), v = in2<double>(target_sums);
            const auto k = in1<double>(pair_counts), mean = in1<double>(y_mean);
            const Standardisation how{in1<double>(offset), in1<double>(scale), inverse_n};
            require(how.offset.size == u.cols && how.scale.size == u.cols, "expected offset and scale of size d");
            const auto r = out2<T>(R);
            Release unlocked;
            lagged_cross<T>(device(n_threads), x, u, k, v, mean, how, lags_of(first, count), r);
        },
        strict("cross"), strict("pair_sums"), strict("pair_counts"), strict("target_sums"), strict("y_mean"),
        strict("offset"), strict("scale"), py::arg("inverse_n"), py::arg("first_lag"), py::arg("n_lags"), strict("R"),
        py::arg("n_threads"));

    m.def(
        "ridge_solve",
        [](A& G, const A& diagonal, double alpha, A& W, int64_t n_threads) {
            const auto g = out2<T>(G), w = out2<T>(W);
            const auto diag = in1<T>(diagonal);
            Release unlocked;
            ridge_solve<T>(device(n_threads), g, diag, alpha, w);
        },
        strict("G"), strict("diagonal"), py::arg("alpha"), strict("W"), py::arg("n_threads"));

    m.def(
        "ridge_residual",
        [](const A& G, const A& diagonal, double alpha, const A& R, const A& W, const I& targets, int64_t n_threads) {
            const auto g = in2<T>(G), r = in2<T>(R), w = in2<T>(W);
            const auto diag = in1<T>(diagonal);
            const auto sample = in1<int64_t>(targets);
            Release unlocked;
            return ridge_residual<T>(device(n_threads), g, diag, alpha, r, w, sample);
        },
        strict("G"), strict("diagonal"), py::arg("alpha"), strict("R"), strict("W"), strict("targets"),
        py::arg("n_threads"));

    m.def(
        "lagged_predict",
        [](const A& H, const A& h_shift, const I& bounds, int64_t first, int64_t count, const A& W, const A& intercept,
           A& P, int64_t n_threads) {
            const auto h = in2<T>(H), w = in2<T>(W);
            const auto shift = in1<T>(h_shift), b = in1<T>(intercept);
            require(shift.size == h.cols, "expected a shift of size d");
            const auto segments = segments_of(bounds, h.rows);
            const auto p = out2<T>(P);
            Release unlocked;
            lagged_predict<T>(device(n_threads), h, shift, segments, lags_of(first, count), w, b, p);
        },
        strict("H"), strict("h_shift"), strict("bounds"), py::arg("first_lag"), py::arg("n_lags"), strict("W"),
        strict("intercept"), strict("P"), py::arg("n_threads"));

    m.def(
        "lagged_sse",
        [](const A& H, const A& Y, const A& h_shift, const I& bounds, int64_t first, int64_t count, const A& W,
           const A& intercept, D& sse, int64_t n_threads) {
            const auto h = in2<T>(H), y = in2<T>(Y), w = in2<T>(W);
            const auto shift = in1<T>(h_shift), b = in1<T>(intercept);
            require(shift.size == h.cols, "expected a shift of size d");
            const auto segments = segments_of(bounds, h.rows);
            const auto out = out1<double>(sse);
            Release unlocked;
            lagged_sse<T>(device(n_threads), h, y, shift, segments, lags_of(first, count), w, b, out);
        },
        strict("H"), strict("Y"), strict("h_shift"), strict("bounds"), py::arg("first_lag"), py::arg("n_lags"),
        strict("W"), strict("intercept"), strict("sse"), py::arg("n_threads"));
}

// The one place where an error of the core becomes a Python exception.
void translate(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
        switch (error.kind()) {
            case ErrorKind::invalid:
                PyErr_SetString(PyExc_ValueError, error.what());
                break;
            case ErrorKind::out_of_bounds:
                PyErr_SetString(PyExc_OverflowError, error.what());
                break;
            case ErrorKind::not_definite:
                PyErr_SetString(py::module_::import("numpy.linalg").attr("LinAlgError").ptr(), error.what());
                break;
        }
    }
}

}  // namespace heschl::bindings

PYBIND11_MODULE(_core, m) {
    m.doc() = "heschl's compiled kernels; see csrc/include/heschl/kernels.hpp for shapes and meaning.";
    pybind11::register_exception_translator(heschl::bindings::translate);
    heschl::bindings::scipy_blas();  // fail at import, with a reason, rather than at the first product
    heschl::bindings::bind<float>(m);
    heschl::bindings::bind<double>(m);
}

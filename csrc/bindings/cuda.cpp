// heschl._cuda: the kernels on the GPU, and the arrays they take. Built for CUDA, or (for tests) on host memory.
#include <map>
#include <numeric>

#include "../cuda/arrays.hpp"
#include "../cuda/libraries.hpp"
#include "cca.hpp"
#include "cuda_split.hpp"
#include "dlpack.hpp"
#include "dual.hpp"
#include "errors.hpp"
#include "moments.hpp"
#include "predict.hpp"
#include "products.hpp"
#include "ridge.hpp"
#include "scores.hpp"

namespace heschl::bindings {
namespace {

using Context = std::shared_ptr<Cuda>;
using Release = py::gil_scoped_release;
using Index = std::optional<Array<int64_t>>;

#ifdef HESCHL_EMULATED
constexpr bool is_emulated = true;
void bind_emulation(py::module_& m) {  // for tests
    m.def("fail", emulated::fail, py::arg("function"), py::arg("status"), py::arg("skipped"));
    m.def("alive", emulated::alive);
    m.def("waiting", emulated::waiting);
    m.def("counts", emulated::counts);
    m.def("peak", emulated::peak);
    m.def("set_device", [](int device) { cudaSetDevice(device); });
    m.def("current_device", [] {
        int device = 0;
        cudaGetDevice(&device);
        return device;
    });
}
#else
constexpr bool is_emulated = false;
void bind_emulation(py::module_&) {}
#endif

// One for each device and precision, never let go: at the end of the process the driver may be gone before it.
Context context_of(int device, bool tf32) {
    static auto* const all = new std::map<std::pair<int, bool>, Context>;
    Context& found = (*all)[{device, tf32}];
    if (!found) found = std::make_shared<Cuda>(device, tf32);
    return found;
}

template <class T>
DeviceArray<T> reshaped(const DeviceArray<T>& array, const std::vector<int64_t>& shape) {
    const auto product = [](auto first, auto end) {
        return std::accumulate(first, end, int64_t{1}, std::multiplies());
    };
    require(array.contiguous() && !shape.empty() && shape.size() <= 3, "expected a contiguous array and 1 to 3 sizes");
    require(std::ranges::all_of(shape, [](int64_t size) { return size > 0; }), "expected sizes above 0");
    require(product(shape.begin(), shape.end()) == array.rows * array.cols, "expected a shape of as many numbers");
    DeviceArray<T> out = array;
    out.ndim = static_cast<int>(shape.size());
    out.rows = shape[0];
    out.cols = out.stride = product(shape.begin() + 1, shape.end());
    out.last = shape.back();
    return out;
}

template <class T>
DeviceArray<T> upload(const Context& cuda, const Array<T>& given) {
    const int ndim = static_cast<int>(given.ndim());
    require(ndim == 1 || ndim == 2, "expected a 1-D or 2-D array");
    const py::array_t<T, py::array::c_style> whole = given;  // a copy only where rows are apart
    const int64_t rows = whole.shape(0), cols = ndim == 2 ? whole.shape(1) : 1;
    const T* const source = whole.data();
    const auto bytes = static_cast<std::size_t>(rows * cols) * sizeof(T);
    Release unlocked;
    if (bytes >= static_cast<std::size_t>(ahead_bytes))
        return owned<T>(cuda, cuda->upload(source, bytes), rows, cols, ndim);
    auto out = new_array<T>(cuda, rows, cols, ndim);
    cuda->copy_in(out.data, source, bytes);
    return out;
}

template <class T>
DeviceArray<T> packed(const DeviceArray<T>& array) {
    if (array.contiguous()) return array;
    auto out = new_array<T>(array.cuda, array.rows, array.cols, array.ndim);
    take<T>(*array.cuda, array.read(), nullptr, nullptr, out.view());
    return out;
}

template <class T>
Array<T> download(const DeviceArray<T>& array) {
    Array<T> out(array.shape());
    T* const target = out.mutable_data();
    Release unlocked;
    const DeviceArray<T> whole = packed(array);
    array.cuda->copy_out(target, whole.data, static_cast<std::size_t>(array.rows * array.cols) * sizeof(T));
    return out;
}

template <class T>
DeviceArray<T> taken(const DeviceArray<T>& array, const Index& rows, const Index& cols) {
    const auto checked = [](const Index& index, int64_t size) {
        if (!index) return std::vector<int64_t>();
        const Vector<const int64_t> view = in1<int64_t>(*index);
        for (int64_t i = 0; i < view.size; ++i)
            require(view[i] >= 0 && view[i] < size, "expected indices within the array");
        return std::vector<int64_t>(view.data, view.data + view.size);
    };
    const std::vector<int64_t> down = checked(rows, array.rows), across = checked(cols, array.cols);
    const int64_t n_rows = rows ? static_cast<int64_t>(down.size()) : array.rows;
    const int64_t n_cols = cols ? static_cast<int64_t>(across.size()) : array.cols;
    require(array.ndim <= 2, "expected a 1-D or 2-D array");
    Release unlocked;
    auto out = new_array<T>(array.cuda, n_rows, n_cols, array.ndim);
    const Buffer<int64_t> row_index(*array.cuda, down), col_index(*array.cuda, across);
    take<T>(*array.cuda, array.read(), rows ? row_index.data() : nullptr, cols ? col_index.data() : nullptr,
            out.view());
    return out;
}

template <class T>
void bind_array(py::module_& m, const char* name) {
    using A = DeviceArray<T>;
    py::class_<A>(m, name)
        .def_property_readonly("shape", [](const A& a) { return py::tuple(py::cast(a.shape())); })
        .def_property_readonly("ndim", [](const A& a) { return a.ndim; })
        .def_property_readonly("size", [](const A& a) { return a.rows * a.cols; })
        .def_property_readonly("dtype", [](const A&) { return py::dtype::of<T>(); })
        .def_property_readonly("context", [](const A& a) { return a.cuda; })
        .def("__len__", [](const A& a) { return a.rows; })
        .def("numpy", download<T>)
        .def("take", taken<T>, strict("rows"), strict("cols"))
        .def("reshape", reshaped<T>, py::arg("shape"))  // a view
        .def(
            "part",  // a view of some rows and columns
            [](const A& a, int64_t row, int64_t rows, int64_t col, int64_t cols) {
                require(a.ndim <= 2 && 0 <= row && 0 <= rows && row + rows <= a.rows && 0 <= col && 0 <= cols &&
                            col + cols <= a.cols,
                        "expected a part of the array");
                A out = a;
                out.data = a.data + row * a.stride + col;
                out.rows = rows;
                out.cols = cols;
                return out;
            },
            py::arg("row"), py::arg("rows"), py::arg("col"), py::arg("cols"))
        .def("diagonal",  // a view (n, 1)
             [](const A& a) {
                 require(a.rows == a.cols, "expected a square matrix");
                 A out = a;
                 out.stride = a.stride + 1;
                 out.cols = 1;
                 return out;
             })
        .def("__dlpack_device__", [](const A& a) { return py::make_tuple(dl_here, a.cuda->device); })
        .def("__dlpack__", [](const A& a, const py::args&, const py::kwargs& how) {
            const auto asked = [&](const char* name) { return how.contains(name) && !how[name].is_none(); };
            if (asked("copy") && how["copy"].cast<bool>()) throw py::buffer_error("heschl gives no copies by DLPack");
            const auto here = std::make_pair(dl_here, a.cuda->device);
            if (asked("dl_device") && how["dl_device"].cast<std::pair<int, int>>() != here)
                throw py::buffer_error("heschl gives arrays by DLPack where they are; .numpy() copies one to the host");
            return to_dlpack<T>(a);
        });
    m.def("upload", upload<T>, py::arg("context"), strict("values"));
    m.def("zero", [](const A& a) {
        require(a.contiguous(), "expected a contiguous array");
        a.cuda->clear(a.data, static_cast<std::size_t>(a.rows * a.cols) * sizeof(T));
    });
}

template <class T>
void bind_kernels(py::module_& m) {
    bind_moments<OnCuda, T>(m);
    bind_lagged_sums<OnCuda, T>(m);
    bind_ridge<OnCuda, T>(m);
    bind_predict<OnCuda, T>(m);
    bind_dual<OnCuda, T>(m);
    bind_scores<OnCuda, T>(m);
    bind_cca<OnCuda, T>(m);
    bind_multiply<OnCuda, T>(m);
}

template <class T>
void bind_algebra(py::module_& m) {
    using A = DeviceArray<T>;
    using D = DeviceArray<double>;
    const auto vector = [](const std::optional<D>& given) { return given ? in1(*given) : Vector<const double>{}; };
    m.def("assign", [](const A& target, const DeviceArray<float>& values) {
        require(target.rows == values.rows && target.cols == values.cols, "assign: two arrays of one shape");
        convert<float, T>(*target.cuda, values.read(), target.view());
    });
    m.def("assign", [](const A& target, const D& values) {
        require(target.rows == values.rows && target.cols == values.cols, "assign: two arrays of one shape");
        convert<double, T>(*target.cuda, values.read(), target.view());
    });
    m.def("set_columns", [](const A& target, const Array<int64_t>& cols, const A& values) {
        const Vector<const int64_t> index = in1<int64_t>(cols);
        require(target.rows == values.rows && index.size == values.cols,
                "set_columns: as many rows, an index a column");
        for (int64_t j = 0; j < index.size; ++j)
            require(index[j] >= 0 && index[j] < target.cols, "expected indices within the array");
        const Buffer<int64_t> there(*target.cuda, std::vector<int64_t>(index.data, index.data + index.size));
        set_columns<T>(*target.cuda, values.read(), there.data(), target.view());
    });
    m.def("by_target", [](const A& values, int64_t n_lags) {
        require(n_lags > 0 && values.rows % n_lags == 0, "by_target: as many rows for each lag");
        const auto out = new_array<T>(values.cuda, values.cols, values.rows, 2);
        by_target<T>(*values.cuda, values.read(), n_lags, out.view());
        return reshaped(out, {values.cols, values.rows / n_lags, n_lags});
    });
    m.def("add", [](const A& target, const A& values, double factor) {
        add<T>(*target.cuda, static_cast<T>(factor), values.read(), target.view());
    });
    m.def("scale_and_shift", [vector](const A& values, const std::optional<D>& factor, const std::optional<D>& across,
                                      const std::optional<D>& row, const std::optional<D>& column) {
        scale_and_shift<T>(*values.cuda, vector(factor), vector(across), vector(row), vector(column), values.view());
    });
    m.def("mirror_lower", [](const A& values) { mirror_lower<T>(*values.cuda, values.view()); });
    m.def("ridge_path", [](const A& G, const A& diagonal, const std::vector<double>& alphas, const A& R, const A& W) {
        Release unlocked;
        ridge_path<T>(*G.cuda, G.view(), in1(diagonal), alphas, R.read(), W.view());
    });
    m.def("path_residuals", [](const A& G, const A& diagonal, const std::vector<double>& alphas, const A& R, const A& W,
                               const std::vector<int64_t>& targets) {
        for (const int64_t target : targets) require(target >= 0 && target < R.cols, "expected targets within R");
        require(G.rows == G.cols && diagonal.rows == G.rows && R.rows == G.rows && W.rows == G.rows &&
                    W.cols == static_cast<int64_t>(alphas.size()) * R.cols,
                "path_residuals: G (p, p), diagonal (p), R (p, c), W (p, alphas c)");
        Release unlocked;
        return path_residuals<T>(*G.cuda, G.read(), in1(diagonal), alphas, R.read(), W.read(), targets);
    });
    m.def("factor_upper", [](const A& values) {
        require(values.rows == values.cols, "expected a square matrix");
        Release unlocked;
        factor_upper<T>(*values.cuda, values.view());
    });
    // op(U)^-1 R, or R U^-1, in place of R.
    m.def("half_solve_upper", [](const A& u, bool transposed, const A& r) {
        require(u.rows == u.cols && u.rows == r.rows, "half_solve_upper: U (n, n), R (n, c)");
        half_solve_upper<T>(*u.cuda, u.read(), transposed, r.view());
    });
    m.def("divide_upper", [](const A& u, const A& r) {
        require(u.rows == u.cols && u.rows == r.cols, "divide_upper: U (c, c), R (n, c)");
        divide_upper<T>(*u.cuda, u.read(), r.view());
    });
    m.def("weighted_sums", [vector](const A& values, const std::optional<D>& weight) {
        auto out = new_array<double>(values.cuda, values.cols, 1, 1);
        weighted_sums<T>(*values.cuda, values.read(), vector(weight), out1(out));
        return out;
    });
    m.def("row_sums", [](const A& values) {
        auto out = new_array<double>(values.cuda, values.rows, 1, 1);
        row_sums<T>(*values.cuda, values.read(), out1(out));
        return out;
    });
    // `shifts` (r, 3) lies on the host: begin, length and shift of each row.
    m.def("shifted_products", [](const A& y, const A& prediction, const Array<int64_t>& shifts) {
        const Matrix<const int64_t> given = in2<int64_t>(shifts);
        require(y.rows == prediction.rows && given.cols == 3 && given.stride == 3,
                "shifted_products: y and prediction of as many rows, shifts a contiguous (r, 3) array");
        for (int64_t i = 0; i < given.rows; ++i)
            require(0 <= given.row(i)[0] && given.row(i)[0] + given.row(i)[1] <= y.rows && 0 <= given.row(i)[2] &&
                        given.row(i)[2] < given.row(i)[1],
                    "expected stretches within the rows, and shifts within stretches");
        auto out = new_array<double>(y.cuda, given.rows, y.cols, 2);
        Release unlocked;
        const Buffer<int64_t> there(*y.cuda, std::vector<int64_t>(given.data, given.data + 3 * given.rows));
        shifted_products<T>(*y.cuda, y.read(), prediction.read(), there.read(given.rows, 3), out.view());
        return out;
    });
    m.def("all_finite", [](const A& values, const std::vector<A>& others) {
        std::vector<Matrix<const T>> all{values.read()};
        for (const A& other : others) all.push_back(other.read());
        Release unlocked;
        return all_finite<T>(*values.cuda, all);
    });
    m.def("product", [](const A& a, const A& b, bool transpose_a) {
        require((transpose_a ? a.rows : a.cols) == b.rows, "product: inner sizes differ");
        auto out = new_array<T>(a.cuda, transpose_a ? a.cols : a.rows, b.cols, 2);
        gemm<T>(*a.cuda, transpose_a, false, T(1), a.read(), b.read(), T(0), out.view());
        return out;
    });
    m.def("eigen_lower", [](const A& matrix) {
        require(matrix.rows == matrix.cols, "expected a square matrix");
        auto values = new_array<T>(matrix.cuda, matrix.rows, 1, 1);
        Release unlocked;
        eigen_lower<T>(*matrix.cuda, matrix.view(), true, values.data);
        return values;
    });
}

// `rows` (m, U), rows of `sums`, and `first` (K + 1), from 0 to U, lie on the host.
DeviceArray<double> grouped(const DeviceArray<double>& sums, const Array<int64_t>& rows, const Array<int64_t>& first) {
    const Matrix<const int64_t> index = in2<int64_t>(rows);
    const Vector<const int64_t> starts = in1<int64_t>(first);
    require(starts.size >= 1 && starts[0] == 0 && starts[starts.size - 1] == index.cols && index.stride == index.cols,
            "sums_of_groups: rows a contiguous (m, U) array, first from 0 to U");
    for (int64_t k = 1; k < starts.size; ++k) require(starts[k - 1] <= starts[k], "expected groups in order");
    const std::vector<int64_t> all(index.data, index.data + index.rows * index.cols);
    for (const int64_t row : all) require(row >= 0 && row < sums.rows, "expected indices within the array");
    auto out = new_array<double>(sums.cuda, index.rows * (starts.size - 1), sums.cols, 2);
    Release unlocked;
    const Buffer<int64_t> there(*sums.cuda, all), edges(*sums.cuda, {starts.data, starts.data + starts.size});
    sums_of_groups(*sums.cuda, sums.read(), there.read(index.rows, index.cols), {edges.data(), starts.size},
                   out.view());
    return out;
}

}  // namespace
}  // namespace heschl::bindings

PYBIND11_MODULE(HESCHL_CUDA_MODULE, m) {
    using namespace heschl;
    using namespace heschl::bindings;
    m.doc() = "heschl's kernels on a GPU; see csrc/include/heschl/cuda.hpp.";
    py::register_local_exception_translator(translate);
    m.attr("emulated") = is_emulated;
    bind_emulation(m);
    m.def("open_libraries", open_libraries, py::arg("cublas"), py::arg("cusolver"));
    m.def("device_count", device_count);
    m.def("device_name", device_name);
    py::class_<Cuda, Context>(m, "Context")
        .def_static("of", context_of, py::arg("device"), py::arg("tf32"))
        .def_property_readonly("device", [](const Cuda& cuda) { return cuda.device; })
        .def_property_readonly("tf32", [](const Cuda& cuda) { return cuda.tf32; })
        .def_property_readonly("stream",
                               [](const Cuda& cuda) { return reinterpret_cast<std::uintptr_t>(cuda.stream()); })
        .def("synchronize", &Cuda::synchronize, py::call_guard<Release>())
        .def("in_use", &Cuda::in_use, py::call_guard<Release>())
        .def("hold", &Cuda::hold, py::call_guard<Release>())
        .def("let_go", &Cuda::let_go, py::call_guard<Release>())
        .def("memory", [](const Cuda& cuda) {
            std::size_t free = 0, total = 0;
            {
                Release unlocked;
                cuda.memory(free, total);
            }
            return py::make_tuple(free, total);
        });
    bind_array<float>(m, "Array32");
    bind_array<double>(m, "Array64");
    bind_array<int64_t>(m, "ArrayInt");
    m.def("empty", [](const Context& cuda, int64_t rows, std::optional<int64_t> cols, const std::string& dtype) {
        const int ndim = cols ? 2 : 1;
        if (dtype == "float32") return py::cast(new_array<float>(cuda, rows, cols.value_or(1), ndim));
        require(dtype == "float64", "expected float32 or float64");
        return py::cast(new_array<double>(cuda, rows, cols.value_or(1), ndim));
    });
    m.def("from_dlpack", from_dlpack, py::arg("context"), py::arg("capsule"));
    bind_algebra<float>(m);
    bind_algebra<double>(m);
    m.def("sums_of_groups", grouped);
    bind_split(m);
    bind_kernels<float>(m);
    bind_kernels<double>(m);
    bind_largest_singular<OnCuda>(m);
}

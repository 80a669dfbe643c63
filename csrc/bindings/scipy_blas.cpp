// BLAS and LAPACK from SciPy: its Cython modules publish every routine as a capsule named by its C signature.
#include "scipy_blas.hpp"

#include <pybind11/pybind11.h>

#include <string>

namespace heschl::bindings {
namespace py = pybind11;
namespace {

// A signature with SciPy's name of the element type ("__pyx_t_..._d", which differs between modules and versions) as T.
// No std::regex: its locale crashes where another libstdc++ is in the process, too.
std::string with_plain_element(const std::string& signature) {
    static const std::string prefix = "__pyx_t_";
    const auto in_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    std::string out;
    for (std::size_t at = 0; at < signature.size();) {
        std::size_t end = at;
        while (end < signature.size() && in_name(signature[end])) ++end;
        const std::string name = signature.substr(at, end - at);
        const bool element = name.size() > prefix.size() + 2 && name.compare(0, prefix.size(), prefix) == 0 &&
                             name[name.size() - 2] == '_' && (name.back() == 's' || name.back() == 'd');
        out += element ? "T" : name;
        if (end < signature.size()) out += signature[end++];
        at = end;
    }
    return out;
}

template <class Function>
void look_up(const py::dict& capsules, const std::string& name, const std::string& arguments, Function& out) {
    const std::string expected = "void (" + arguments + ")";
    if (!capsules.contains(name)) throw py::import_error("SciPy publishes no BLAS/LAPACK routine " + name);
    const py::object capsule = capsules[name.c_str()];
    const char* found = PyCapsule_GetName(capsule.ptr());
    if (found == nullptr || with_plain_element(found) != expected)
        throw py::import_error("SciPy's " + name + " has the signature '" + (found ? found : "none") +
                               "', heschl needs '" + expected +
                               "' (32-bit integers). Install SciPy's own wheel (pip install scipy), which has it.");
    out = reinterpret_cast<Function>(PyCapsule_GetPointer(capsule.ptr(), found));
}

template <class T>
BlasTable<T> table(const py::dict& blas, const py::dict& lapack, const std::string& prefix) {
    BlasTable<T> out;
    look_up(blas, prefix + "gemm", "char *, char *, int *, int *, int *, T *, T *, int *, T *, int *, T *, T *, int *",
            out.gemm);
    look_up(blas, prefix + "syrk", "char *, char *, int *, int *, T *, T *, int *, T *, T *, int *", out.syrk);
    look_up(blas, prefix + "trsm", "char *, char *, char *, char *, int *, int *, T *, T *, int *, T *, int *",
            out.trsm);
    look_up(lapack, prefix + "potrf", "char *, int *, T *, int *, int *", out.potrf);
    look_up(lapack, prefix + "syevr",
            "char *, char *, char *, int *, T *, int *, T *, T *, int *, int *, T *, int *, T *, T *, int *, int *, "
            "T *, int *, int *, int *, int *",
            out.syevr);
    return out;
}

Cpu load() {
    const py::dict blas = py::module_::import("scipy.linalg.cython_blas").attr("__pyx_capi__");
    const py::dict lapack = py::module_::import("scipy.linalg.cython_lapack").attr("__pyx_capi__");
    return {table<float>(blas, lapack, "s"), table<double>(blas, lapack, "d"), 1};
}

}  // namespace

const Cpu& scipy_blas() {
    static const Cpu cpu = load();
    return cpu;
}

}  // namespace heschl::bindings

// The one place where an error of the core becomes a Python exception.
#include "errors.hpp"

#include <pybind11/pybind11.h>

#include "heschl/error.hpp"

namespace heschl::bindings {
namespace py = pybind11;

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
            case ErrorKind::out_of_memory:
                PyErr_SetString(PyExc_MemoryError, error.what());
                break;
            case ErrorKind::device:
                PyErr_SetString(PyExc_RuntimeError, error.what());
                break;
            case ErrorKind::not_definite:
                PyErr_SetString(py::module_::import("numpy.linalg").attr("LinAlgError").ptr(), error.what());
                break;
        }
    }
}

}  // namespace heschl::bindings

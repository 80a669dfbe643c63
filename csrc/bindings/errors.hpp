#pragma once

#include <exception>

namespace heschl::bindings {

// For pybind11::register_exception_translator.
void translate(std::exception_ptr pointer);

}  // namespace heschl::bindings

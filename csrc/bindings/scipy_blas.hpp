#pragma once

#include "heschl/blas.hpp"

namespace heschl::bindings {

// SciPy's BLAS and LAPACK, looked up once; throws a Python ImportError where their interface is not the expected one.
const Cpu& scipy_blas();

}  // namespace heschl::bindings

# heschl._cuda (static cudart; cuBLAS and cuSOLVER are opened at run time) and its emulation heschl._cuda_emulated.
set(kernels
  csrc/cuda/arrays.cu csrc/cuda/cca.cu csrc/cuda/design.cu csrc/cuda/dual.cu csrc/cuda/gram.cu csrc/cuda/moments.cu
  csrc/cuda/path.cu csrc/cuda/predict.cu csrc/cuda/products.cu csrc/cuda/ridge.cu csrc/cuda/scores.cu
  csrc/cuda/spectral.cu)
set(sources ${kernels} csrc/cuda/algebra.cpp csrc/cuda/device.cpp csrc/cuda/libraries.cpp
  csrc/bindings/scipy_blas.cpp csrc/bindings/cuda.cpp csrc/bindings/errors.cpp)

if(HESCHL_CUDA STREQUAL "EMULATED")
  set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX)
  pybind11_add_module(_cuda_emulated MODULE
    ${sources} csrc/cuda/emulated/libraries.cpp csrc/cuda/emulated/runtime.cpp)
  target_compile_definitions(_cuda_emulated PRIVATE HESCHL_EMULATED HESCHL_CUDA_MODULE=_cuda_emulated)
  target_compile_options(_cuda_emulated PRIVATE -x c++)
  target_include_directories(_cuda_emulated BEFORE PRIVATE csrc/cuda csrc/cuda/emulated)
  target_link_libraries(_cuda_emulated PRIVATE heschl_cpu ${CMAKE_DL_LIBS})
  install(TARGETS _cuda_emulated LIBRARY DESTINATION heschl)
  return()
endif()

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(HESCHL_CUDA STREQUAL "ON")
    message(FATAL_ERROR "HESCHL_CUDA=ON needs nvcc: none was found. Install the CUDA toolkit, or use AUTO or OFF.")
  endif()
  message(STATUS "heschl: no nvcc was found, _cuda is left out")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 86 89 90)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
find_package(CUDAToolkit REQUIRED)

pybind11_add_module(_cuda MODULE ${sources})
target_compile_definitions(_cuda PRIVATE HESCHL_CUDA_MODULE=_cuda)
target_compile_options(_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda --expt-relaxed-constexpr>)
target_include_directories(_cuda PRIVATE csrc/cuda)
target_link_libraries(_cuda PRIVATE heschl_cpu CUDA::cudart_static)
install(TARGETS _cuda LIBRARY DESTINATION heschl)

// Compiled by test_prototypes.py where NVIDIA's headers are: what libraries.hpp and the emulated runtime declare is
// what the headers declare, argument for argument. Enumerations of CUDA are ints there; handles are pointers.
#include <cublas_v2.h>
#include <cusolverDn.h>

#include <type_traits>

#include "libraries.hpp"

namespace {

template <class A, class B>
constexpr bool alike() {
    if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
        using C = std::remove_cv_t<std::remove_pointer_t<A>>;
        using D = std::remove_cv_t<std::remove_pointer_t<B>>;
        return std::is_void_v<C> || std::is_void_v<D> || std::is_class_v<D> || std::is_same_v<C, D> ||
               (std::is_pointer_v<C> && std::is_pointer_v<D>);
    } else {
        return std::is_pointer_v<A> == std::is_pointer_v<B> && sizeof(A) == sizeof(B) &&
               (std::is_same_v<A, B> || std::is_enum_v<B> || std::is_integral_v<A> == std::is_integral_v<B>);
    }
}

template <class R, class... A, class S, class... B>
constexpr bool same(R (*)(A...), S (*)(B...)) {
    if constexpr (sizeof...(A) == sizeof...(B))
        return alike<R, S>() && (alike<A, B>() && ...);
    else
        return false;
}

using heschl::CublasTable;
using heschl::Libraries;
constexpr Libraries none;
constexpr CublasTable<float> single;
constexpr CublasTable<double> twice;

static_assert(same(none.blas_create, cublasCreate_v2));
static_assert(same(none.blas_destroy, cublasDestroy_v2));
static_assert(same(none.blas_set_stream, cublasSetStream_v2));
static_assert(same(none.blas_set_math_mode, cublasSetMathMode));
static_assert(same(single.gemm, cublasSgemm_v2_64) && same(twice.gemm, cublasDgemm_v2_64));
static_assert(same(none.gemm_ex, cublasGemmEx_64));
static_assert(same(single.gemm_batched, cublasSgemmStridedBatched_64));
static_assert(same(twice.gemm_batched, cublasDgemmStridedBatched_64));
static_assert(same(single.syrk, cublasSsyrk_v2_64) && same(twice.syrk, cublasDsyrk_v2_64));
static_assert(same(single.symm, cublasSsymm_v2_64) && same(twice.symm, cublasDsymm_v2_64));
static_assert(same(single.trsm, cublasStrsm_v2_64) && same(twice.trsm, cublasDtrsm_v2_64));
static_assert(same(none.solver_create, cusolverDnCreate));
static_assert(same(none.solver_destroy, cusolverDnDestroy));
static_assert(same(none.solver_set_stream, cusolverDnSetStream));
static_assert(same(none.solver_create_params, cusolverDnCreateParams));
static_assert(same(none.solver_destroy_params, cusolverDnDestroyParams));
static_assert(same(none.potrf_size, cusolverDnXpotrf_bufferSize) && same(none.potrf, cusolverDnXpotrf));
static_assert(same(none.syevd_size, cusolverDnXsyevd_bufferSize) && same(none.syevd, cusolverDnXsyevd));
static_assert(same(none.syev_batched_size, cusolverDnXsyevBatched_bufferSize));
static_assert(same(none.syev_batched, cusolverDnXsyevBatched));

static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1 && CUBLAS_FILL_MODE_LOWER == 0 && CUBLAS_FILL_MODE_UPPER == 1);
static_assert(CUBLAS_SIDE_LEFT == 0 && CUBLAS_SIDE_RIGHT == 1 && CUBLAS_DIAG_NON_UNIT == 0);
static_assert(CUBLAS_TF32_TENSOR_OP_MATH == 3 && CUBLAS_STATUS_SUCCESS == 0 && CUSOLVER_STATUS_SUCCESS == 0);
static_assert(CUDA_R_32F == 0 && CUDA_R_64F == 1 && CUDA_R_16F == 2);
static_assert(CUBLAS_COMPUTE_32F == 68 && CUBLAS_GEMM_DEFAULT == -1);
static_assert(CUSOLVER_EIG_MODE_NOVECTOR == 0 && CUSOLVER_EIG_MODE_VECTOR == 1);
static_assert(cudaSuccess == 0 && cudaErrorInvalidValue == 1 && cudaErrorMemoryAllocation == 2);
static_assert(cudaErrorInvalidResourceHandle == 400 && cudaStreamNonBlocking == 1 && cudaEventDisableTiming == 2);
static_assert(cudaMemcpyHostToDevice == 1 && cudaMemcpyDeviceToHost == 2 && cudaMemcpyDeviceToDevice == 3);
static_assert(cudaMemPoolAttrReleaseThreshold == 4 && cudaMemPoolAttrReservedMemCurrent == 5);
static_assert(cudaMemPoolAttrUsedMemCurrent == 7);

}  // namespace

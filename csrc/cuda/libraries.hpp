// cuBLAS and cuSOLVER, opened at run time: only the functions that are called are declared, by their 64-bit interfaces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace heschl {

using Handle = void*;

template <class T>
struct CublasTable {
    using Int = std::int64_t;
    int (*gemm)(Handle, int, int, Int, Int, Int, const T*, const T*, Int, const T*, Int, const T*, T*, Int) = nullptr;
    int (*gemm_batched)(Handle, int, int, Int, Int, Int, const T*, const T*, Int, long long, const T*, Int, long long,
                        const T*, T*, Int, long long, Int) = nullptr;
    int (*syrk)(Handle, int, int, Int, Int, const T*, const T*, Int, const T*, T*, Int) = nullptr;
    int (*symm)(Handle, int, int, Int, Int, const T*, const T*, Int, const T*, Int, const T*, T*, Int) = nullptr;
    int (*trsm)(Handle, int, int, int, int, Int, Int, const T*, const T*, Int, T*, Int) = nullptr;
};

struct Libraries {
    int (*blas_create)(Handle*) = nullptr;
    int (*blas_destroy)(Handle) = nullptr;
    int (*blas_set_stream)(Handle, void*) = nullptr;
    int (*blas_set_math_mode)(Handle, int) = nullptr;
    // Of matrices of other types, by cudaDataType, summed as a cublasComputeType_t says.
    int (*gemm_ex)(Handle, int, int, std::int64_t, std::int64_t, std::int64_t, const void*, const void*, int,
                   std::int64_t, const void*, int, std::int64_t, const void*, void*, int, std::int64_t, int,
                   int) = nullptr;
    CublasTable<float> single;
    CublasTable<double> double_;

    int (*solver_create)(Handle*) = nullptr;
    int (*solver_destroy)(Handle) = nullptr;
    int (*solver_set_stream)(Handle, void*) = nullptr;
    int (*solver_create_params)(Handle*) = nullptr;
    int (*solver_destroy_params)(Handle) = nullptr;
    int (*potrf_size)(Handle, Handle, int, std::int64_t, int, const void*, std::int64_t, int, std::size_t*,
                      std::size_t*) = nullptr;
    int (*potrf)(Handle, Handle, int, std::int64_t, int, void*, std::int64_t, int, void*, std::size_t, void*,
                 std::size_t, int*) = nullptr;
    int (*syevd_size)(Handle, Handle, int, int, std::int64_t, int, const void*, std::int64_t, int, const void*, int,
                      std::size_t*, std::size_t*) = nullptr;
    int (*syevd)(Handle, Handle, int, int, std::int64_t, int, void*, std::int64_t, int, void*, int, void*, std::size_t,
                 void*, std::size_t, int*) = nullptr;
    // Since CUDA 12.6.2; none in older ones.
    int (*syev_batched_size)(Handle, Handle, int, int, std::int64_t, int, const void*, std::int64_t, int, const void*,
                             int, std::size_t*, std::size_t*, std::int64_t) = nullptr;
    int (*syev_batched)(Handle, Handle, int, int, std::int64_t, int, void*, std::int64_t, int, void*, int, void*,
                        std::size_t, void*, std::size_t, int*, std::int64_t) = nullptr;
};

// Opens each library from the first candidate (a path, or a bare name for the loader's own search) that has it; a copy
// that is loaded already comes first. Throws Error(device) that says what was tried.
void open_libraries(const std::vector<std::string>& cublas, const std::vector<std::string>& cusolver);

// What open_libraries found; throws Error(device) before.
const Libraries& libraries();

}  // namespace heschl

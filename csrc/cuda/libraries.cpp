#include "libraries.hpp"

#include <dlfcn.h>

#include <memory>

#include "device.hpp"

namespace heschl {
namespace {

std::unique_ptr<Libraries>& opened() {
    static std::unique_ptr<Libraries> instance;
    return instance;
}

// The first candidate that opens. Libraries stay open for the life of the process.
void* open_first(const std::vector<std::string>& candidates) {
    for (const auto& name : candidates)
        if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) return handle;
    std::string tried;
    for (const auto& name : candidates) {
        if (void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
        const char* why = dlerror();
        tried += "\n  " + (why ? std::string(why) : name);
    }
    throw Error(ErrorKind::device, "a CUDA library could not be opened; tried:" + tried);
}

template <class Function>
void look_up_if_there(void* library, const std::string& name, Function& out) {
    out = reinterpret_cast<Function>(dlsym(library, name.c_str()));
}

template <class Function>
void look_up(void* library, const std::string& name, Function& out) {
    look_up_if_there(library, name, out);
    if (out == nullptr) throw Error(ErrorKind::device, "the CUDA library that was found has no function " + name);
}

template <class T>
void look_up_table(void* library, const std::string& type, CublasTable<T>& out) {
    look_up(library, "cublas" + type + "gemm_v2_64", out.gemm);
    look_up(library, "cublas" + type + "gemmStridedBatched_64", out.gemm_batched);
    look_up(library, "cublas" + type + "syrk_v2_64", out.syrk);
    look_up(library, "cublas" + type + "symm_v2_64", out.symm);
    look_up(library, "cublas" + type + "trsm_v2_64", out.trsm);
}

}  // namespace

void open_libraries(const std::vector<std::string>& cublas, const std::vector<std::string>& cusolver) {
    if (opened()) return;
    auto found = std::make_unique<Libraries>();
    void* blas = open_first(cublas);
    look_up(blas, "cublasCreate_v2", found->blas_create);
    look_up(blas, "cublasDestroy_v2", found->blas_destroy);
    look_up(blas, "cublasSetStream_v2", found->blas_set_stream);
    look_up(blas, "cublasSetMathMode", found->blas_set_math_mode);
    look_up(blas, "cublasGemmEx_64", found->gemm_ex);
    look_up_table(blas, "S", found->single);
    look_up_table(blas, "D", found->double_);
    void* solver = open_first(cusolver);
    look_up(solver, "cusolverDnCreate", found->solver_create);
    look_up(solver, "cusolverDnDestroy", found->solver_destroy);
    look_up(solver, "cusolverDnSetStream", found->solver_set_stream);
    look_up(solver, "cusolverDnCreateParams", found->solver_create_params);
    look_up(solver, "cusolverDnDestroyParams", found->solver_destroy_params);
    look_up(solver, "cusolverDnXpotrf_bufferSize", found->potrf_size);
    look_up(solver, "cusolverDnXpotrf", found->potrf);
    look_up(solver, "cusolverDnXsyevd_bufferSize", found->syevd_size);
    look_up(solver, "cusolverDnXsyevd", found->syevd);
    look_up_if_there(solver, "cusolverDnXsyevBatched_bufferSize", found->syev_batched_size);
    look_up_if_there(solver, "cusolverDnXsyevBatched", found->syev_batched);
    opened() = std::move(found);
}

const Libraries& libraries() {
    if (!opened()) throw Error(ErrorKind::device, "cuBLAS and cuSOLVER are not open");
    return *opened();
}

}  // namespace heschl

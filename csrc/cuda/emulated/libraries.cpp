// The functions of cuBLAS and cuSOLVER that libraries.hpp names, by SciPy's BLAS and LAPACK: the same column-major
// arguments go to the same routines, so that what device.cpp makes of its row-major views is tested. libraries.cpp
// finds them in this extension as it finds the real ones in NVIDIA's.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../bindings/scipy_blas.hpp"
#include "../halves.hpp"
#include "runtime.hpp"

namespace heschl::emulated {
namespace {

constexpr int success = 0, invalid_value = 7, not_supported = 15;
constexpr std::size_t host_work_bytes = 24;

struct Handle {
    void* stream = nullptr;
    bool tf32 = false;
};

template <class T>
const BlasTable<T>& blas() {
    return bindings::scipy_blas().blas<T>();
}

int as_int(std::int64_t size) { return static_cast<int>(size); }
char transposed(int op) { return op == 0 ? 'N' : 'T'; }
char triangle(int fill) { return fill == 0 ? 'L' : 'U'; }

// Leading dimensions as the libraries ask for them.
bool fits(std::int64_t leading, std::int64_t rows) { return rows >= 0 && leading >= std::max<std::int64_t>(1, rows); }

int queue(const char* function, void* handle, std::function<void()> work) {
    if (const int status = failure(function); status != 0) return status;
    launch(static_cast<Handle*>(handle)->stream, std::move(work));
    return success;
}

int create(const char* function, void** handle) {
    if (const int status = failure(function); status != 0) return status;
    bindings::scipy_blas();  // found now, under Python's lock
    *handle = new Handle;
    count_handle(1);
    return success;
}

int destroy(const char* function, void* handle) {
    if (const int status = failure(function); status != 0) return status;
    delete static_cast<Handle*>(handle);
    count_handle(-1);
    return success;
}

int set_stream(const char* function, void* handle, void* stream) {
    if (const int status = failure(function); status != 0) return status;
    static_cast<Handle*>(handle)->stream = stream;
    return success;
}

template <class T>
void product(int op_a, int op_b, std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda,
             const T* b, std::int64_t ldb, T beta, T* c, std::int64_t ldc) {
    char ta = transposed(op_a), tb = transposed(op_b);
    int rows = as_int(m), cols = as_int(n), inner = as_int(k), la = as_int(lda), lb = as_int(ldb), lc = as_int(ldc);
    blas<T>().gemm(&ta, &tb, &rows, &cols, &inner, &alpha, const_cast<T*>(a), &la, const_cast<T*>(b), &lb, &beta, c,
                   &lc);
}

// A column-major matrix as the tensor cores read it: float32 to the nearest of 10 bits after the point.
std::vector<float> in_tf32(const float* a, std::int64_t rows, std::int64_t cols, std::int64_t lda) {
    std::vector<float> out;
    for (std::int64_t col = 0; col < cols; ++col)
        for (std::int64_t row = 0; row < rows; ++row) {
            auto bits = std::bit_cast<std::uint32_t>(a[col * lda + row]);
            out.push_back(std::bit_cast<float>((bits + 0x1000U) & ~0x1FFFU));
        }
    return out;
}

template <class T>
int gemm_batched(const char* function, void* handle, int op_a, int op_b, std::int64_t m, std::int64_t n, std::int64_t k,
                 const T* alpha, const T* a, std::int64_t lda, long long step_a, const T* b, std::int64_t ldb,
                 long long step_b, const T* beta, T* c, std::int64_t ldc, long long step_c, std::int64_t count) {
    if (!fits(lda, op_a == 0 ? m : k) || !fits(ldb, op_b == 0 ? k : n) || !fits(ldc, m) || n < 0 || count < 0)
        return invalid_value;
    const T by = *alpha, keep = *beta;
    const bool tf32 = static_cast<Handle*>(handle)->tf32;
    return queue(function, handle, [=] {
        for (std::int64_t i = 0; i < count; ++i) {
            const T *left = a + i * step_a, *right = b + i * step_b;
            if constexpr (sizeof(T) == sizeof(float)) {
                if (tf32) {
                    const auto x = in_tf32(left, op_a == 0 ? m : k, op_a == 0 ? k : m, lda);
                    const auto y = in_tf32(right, op_b == 0 ? k : n, op_b == 0 ? n : k, ldb);
                    product<T>(op_a, op_b, m, n, k, by, x.data(), std::max<std::int64_t>(1, op_a == 0 ? m : k),
                               y.data(), std::max<std::int64_t>(1, op_b == 0 ? k : n), keep, c + i * step_c, ldc);
                    continue;
                }
            }
            product<T>(op_a, op_b, m, n, k, by, left, lda, right, ldb, keep, c + i * step_c, ldc);
        }
    });
}

// sum + the products a b of some numbers of half precision as a tensor core adds them: products are exact, all terms
// are cut to a multiple of a quarter of the last place of the largest one, and so is what their sum has beyond
// float32's 24 bits: towards zero, at every `together` of them (Khattak and Mikaitis, arXiv:2512.07004, for the H100).
constexpr std::int64_t together = 16;
float added(float sum, const float* a, const float* b, std::int64_t count) {
    double terms[together + 1] = {static_cast<double>(sum)}, largest = std::abs(terms[0]), plain = terms[0];
    double total = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
        terms[i + 1] = static_cast<double>(a[i]) * static_cast<double>(b[i]);
        largest = std::max(largest, std::abs(terms[i + 1]));
        plain += terms[i + 1];
    }
    if (!std::isfinite(plain)) return static_cast<float>(plain);
    if (largest == 0.0) return 0.0f;
    const double unit = std::ldexp(1.0, std::ilogb(largest) - 25);
    for (std::int64_t i = 0; i <= count; ++i) total += std::trunc(terms[i] / unit) * unit;
    if (total == 0.0) return 0.0f;
    const double last = std::ldexp(1.0, std::ilogb(total) - 23);
    return static_cast<float>(std::trunc(total / last) * last);
}

// cuBLAS takes others, too, but has its fast kernels for these alone ("Tensor Core Usage").
template <class T>
bool in_16_bytes(const T* data, std::int64_t rows, std::int64_t leading) {
    constexpr auto item = static_cast<std::int64_t>(sizeof(T));
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && rows * item % 16 == 0 && leading * item % 16 == 0;
}

int gemm_half(void* handle, int op_a, int op_b, std::int64_t m, std::int64_t n, std::int64_t k, float by, const Half* a,
              std::int64_t lda, const Half* b, std::int64_t ldb, float keep, float* c, std::int64_t ldc) {
    if (!fits(lda, op_a == 0 ? m : k) || !fits(ldb, op_b == 0 ? k : n) || !fits(ldc, m) || n < 0) return invalid_value;
    if (!in_16_bytes(a, op_a == 0 ? m : k, lda) || !in_16_bytes(b, op_b == 0 ? k : n, ldb) || !in_16_bytes(c, m, ldc))
        return not_supported;
    return queue("cublasGemmEx_64", handle, [=] {
        std::vector<float> left(static_cast<std::size_t>(m * k)), right(static_cast<std::size_t>(n * k));
        for (std::int64_t i = 0; i < m * k; ++i)
            left[i] = number(op_a == 0 ? a[i % k * lda + i / k] : a[i / k * lda + i % k]);
        for (std::int64_t i = 0; i < n * k; ++i)
            right[i] = number(op_b == 0 ? b[i / k * ldb + i % k] : b[i % k * ldb + i / k]);
        for (std::int64_t at = 0; at < m * n; ++at) {
            const std::int64_t row = at % m, col = at / m;
            float sum = 0.0f;
            for (std::int64_t i = 0; i < k; i += together)
                sum = added(sum, &left[row * k + i], &right[col * k + i], std::min(together, k - i));
            float& out = c[col * ldc + row];
            out = by * sum + (keep == 0.0f ? 0.0f : keep * out);
        }
    });
}

template <class T>
int syrk(const char* function, void* handle, int fill, int op, std::int64_t n, std::int64_t k, const T* alpha,
         const T* a, std::int64_t lda, const T* beta, T* c, std::int64_t ldc) {
    if (!fits(lda, op == 0 ? n : k) || !fits(ldc, n) || k < 0) return invalid_value;
    T by = *alpha, keep = *beta;
    return queue(function, handle, [=]() mutable {
        char uplo = triangle(fill), trans = transposed(op);
        int rows = as_int(n), inner = as_int(k), la = as_int(lda), lc = as_int(ldc);
        blas<T>().syrk(&uplo, &trans, &rows, &inner, &by, const_cast<T*>(a), &la, &keep, c, &lc);
    });
}

// The whole of a symmetric matrix (n, n) from one triangle of it.
template <class T>
std::vector<T> mirrored(int fill, std::int64_t n, const T* a, std::int64_t lda) {
    std::vector<T> whole(static_cast<std::size_t>(n * n));
    for (std::int64_t col = 0; col < n; ++col)
        for (std::int64_t row = 0; row < n; ++row)
            whole[col * n + row] = (fill == 0) == (row >= col) ? a[col * lda + row] : a[row * lda + col];
    return whole;
}

template <class T>
int symm(const char* function, void* handle, int side, int fill, std::int64_t m, std::int64_t n, const T* alpha,
         const T* a, std::int64_t lda, const T* b, std::int64_t ldb, const T* beta, T* c, std::int64_t ldc) {
    const std::int64_t size = side == 0 ? m : n;
    if (!fits(lda, size) || !fits(ldb, m) || !fits(ldc, m) || n < 0) return invalid_value;
    const T by = *alpha, keep = *beta;
    return queue(function, handle, [=] {
        const std::vector<T> whole = mirrored(fill, size, a, lda);
        if (side == 0)
            product<T>(0, 0, m, n, m, by, whole.data(), size, b, ldb, keep, c, ldc);
        else
            product<T>(0, 0, m, n, n, by, b, ldb, whole.data(), size, keep, c, ldc);
    });
}

template <class T>
int trsm(const char* function, void* handle, int side, int fill, int op, int diagonal, std::int64_t m, std::int64_t n,
         const T* alpha, const T* a, std::int64_t lda, T* b, std::int64_t ldb) {
    if (!fits(lda, side == 0 ? m : n) || !fits(ldb, m) || n < 0) return invalid_value;
    T by = *alpha;
    return queue(function, handle, [=]() mutable {
        char where = side == 0 ? 'L' : 'R', uplo = triangle(fill), trans = transposed(op);
        char unit = diagonal == 0 ? 'N' : 'U';
        int rows = as_int(m), cols = as_int(n), la = as_int(lda), lb = as_int(ldb);
        blas<T>().trsm(&where, &uplo, &trans, &unit, &rows, &cols, &by, const_cast<T*>(a), &la, b, &lb);
    });
}

// f(T()) for the type of cudaDataType: CUDA_R_32F or CUDA_R_64F.
template <class Use>
int with_type(int type, const Use& use) {
    if (type == 0) return use(float{});
    if (type == 1) return use(double{});
    return not_supported;
}

int sizes(const char* function, std::int64_t n, std::int64_t lda, std::size_t numbers, std::size_t* on_device,
          std::size_t* on_host) {
    if (const int status = failure(function); status != 0) return status;
    if (!fits(lda, n)) return invalid_value;
    *on_device = numbers * sizeof(double);
    *on_host = host_work_bytes;
    return success;
}

// Work space as small as it was asked for is written to, so that a size that is too small is found.
void use_work(void* on_device, std::size_t device_bytes, void* on_host, std::size_t host_bytes) {
    std::memset(on_device, 0xFF, device_bytes);
    std::memset(on_host, 0xFF, host_bytes);
}

template <class T>
void eigen(bool vectors, int fill, std::int64_t n, T* a, std::int64_t lda, T* values, int* info) {
    std::vector<T> whole = mirrored(fill, n, a, lda), found(static_cast<std::size_t>(vectors ? n * n : 0));
    try {
        largest_eigen(bindings::scipy_blas(), Matrix<T>{whole.data(), n, n, n}, n, values,
                      vectors ? Matrix<T>{found.data(), n, n, n} : Matrix<T>{});
        *info = 0;
    } catch (const Error&) {
        *info = 1;
    }
    for (std::int64_t col = 0; vectors && col < n; ++col) std::copy_n(found.data() + col * n, n, a + col * lda);
}

// `count` of them, each n columns of `a` after the one before.
int eigen_batched(const char* function, void* handle, int job, int fill, std::int64_t n, int type, void* a,
                  std::int64_t lda, void* values, void* on_device, std::size_t device_bytes, void* on_host,
                  std::size_t host_bytes, int* info, std::int64_t count) {
    const auto least = 2 * sizeof(double) * static_cast<std::size_t>(n * count);
    if (!fits(lda, n) || device_bytes < least || host_bytes < host_work_bytes) return invalid_value;
    return with_type(type, [&](auto one) {
        using T = decltype(one);
        return queue(function, handle, [=] {
            use_work(on_device, device_bytes, on_host, host_bytes);
            for (std::int64_t i = 0; i < count; ++i)
                eigen<T>(job == 1, fill, n, static_cast<T*>(a) + i * n * lda, lda, static_cast<T*>(values) + i * n,
                         info + i);
        });
    });
}

}  // namespace
}  // namespace heschl::emulated

using namespace heschl::emulated;
using Int = std::int64_t;

#pragma GCC visibility push(default)
extern "C" {

int cublasCreate_v2(void** handle) { return create(__func__, handle); }
int cublasDestroy_v2(void* handle) { return destroy(__func__, handle); }
int cublasSetStream_v2(void* handle, void* stream) { return set_stream(__func__, handle, stream); }
int cublasSetMathMode(void* handle, int mode) {
    static_cast<Handle*>(handle)->tf32 = mode == 3;
    return failure(__func__);
}
int cusolverDnCreate(void** handle) { return create(__func__, handle); }
int cusolverDnDestroy(void* handle) { return destroy(__func__, handle); }
int cusolverDnSetStream(void* handle, void* stream) { return set_stream(__func__, handle, stream); }
int cusolverDnCreateParams(void** handle) { return create(__func__, handle); }
int cusolverDnDestroyParams(void* handle) { return destroy(__func__, handle); }

int cublasSgemm_v2_64(void* h, int ta, int tb, Int m, Int n, Int k, const float* alpha, const float* a, Int lda,
                      const float* b, Int ldb, const float* beta, float* c, Int ldc) {
    return gemm_batched<float>(__func__, h, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
int cublasDgemm_v2_64(void* h, int ta, int tb, Int m, Int n, Int k, const double* alpha, const double* a, Int lda,
                      const double* b, Int ldb, const double* beta, double* c, Int ldc) {
    return gemm_batched<double>(__func__, h, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
int cublasSgemmStridedBatched_64(void* h, int ta, int tb, Int m, Int n, Int k, const float* alpha, const float* a,
                                 Int lda, long long step_a, const float* b, Int ldb, long long step_b,
                                 const float* beta, float* c, Int ldc, long long step_c, Int count) {
    return gemm_batched<float>(__func__, h, ta, tb, m, n, k, alpha, a, lda, step_a, b, ldb, step_b, beta, c, ldc,
                               step_c, count);
}
int cublasDgemmStridedBatched_64(void* h, int ta, int tb, Int m, Int n, Int k, const double* alpha, const double* a,
                                 Int lda, long long step_a, const double* b, Int ldb, long long step_b,
                                 const double* beta, double* c, Int ldc, long long step_c, Int count) {
    return gemm_batched<double>(__func__, h, ta, tb, m, n, k, alpha, a, lda, step_a, b, ldb, step_b, beta, c, ldc,
                                step_c, count);
}
int cublasGemmEx_64(void* h, int ta, int tb, Int m, Int n, Int k, const void* alpha, const void* a, int type_a, Int lda,
                    const void* b, int type_b, Int ldb, const void* beta, void* c, int type_c, Int ldc, int compute,
                    int) {
    if (type_a != 2 || type_b != 2 || type_c != 0 || compute != 68) return not_supported;
    return gemm_half(h, ta, tb, m, n, k, *static_cast<const float*>(alpha), static_cast<const heschl::Half*>(a), lda,
                     static_cast<const heschl::Half*>(b), ldb, *static_cast<const float*>(beta), static_cast<float*>(c),
                     ldc);
}
int cublasSsyrk_v2_64(void* h, int fill, int op, Int n, Int k, const float* alpha, const float* a, Int lda,
                      const float* beta, float* c, Int ldc) {
    return syrk<float>(__func__, h, fill, op, n, k, alpha, a, lda, beta, c, ldc);
}
int cublasDsyrk_v2_64(void* h, int fill, int op, Int n, Int k, const double* alpha, const double* a, Int lda,
                      const double* beta, double* c, Int ldc) {
    return syrk<double>(__func__, h, fill, op, n, k, alpha, a, lda, beta, c, ldc);
}
int cublasSsymm_v2_64(void* h, int side, int fill, Int m, Int n, const float* alpha, const float* a, Int lda,
                      const float* b, Int ldb, const float* beta, float* c, Int ldc) {
    return symm<float>(__func__, h, side, fill, m, n, alpha, a, lda, b, ldb, beta, c, ldc);
}
int cublasDsymm_v2_64(void* h, int side, int fill, Int m, Int n, const double* alpha, const double* a, Int lda,
                      const double* b, Int ldb, const double* beta, double* c, Int ldc) {
    return symm<double>(__func__, h, side, fill, m, n, alpha, a, lda, b, ldb, beta, c, ldc);
}
int cublasStrsm_v2_64(void* h, int side, int fill, int op, int diagonal, Int m, Int n, const float* alpha,
                      const float* a, Int lda, float* b, Int ldb) {
    return trsm<float>(__func__, h, side, fill, op, diagonal, m, n, alpha, a, lda, b, ldb);
}
int cublasDtrsm_v2_64(void* h, int side, int fill, int op, int diagonal, Int m, Int n, const double* alpha,
                      const double* a, Int lda, double* b, Int ldb) {
    return trsm<double>(__func__, h, side, fill, op, diagonal, m, n, alpha, a, lda, b, ldb);
}

int cusolverDnXpotrf_bufferSize(void*, void*, int, Int n, int, const void*, Int lda, int, std::size_t* on_device,
                                std::size_t* on_host) {
    return sizes(__func__, n, lda, static_cast<std::size_t>(n), on_device, on_host);
}
int cusolverDnXpotrf(void* h, void*, int fill, Int n, int type, void* a, Int lda, int, void* on_device,
                     std::size_t device_bytes, void* on_host, std::size_t host_bytes, int* info) {
    if (!fits(lda, n) || device_bytes < sizeof(double) * n || host_bytes < host_work_bytes) return invalid_value;
    return with_type(type, [&](auto one) {
        using T = decltype(one);
        return queue("cusolverDnXpotrf", h, [=] {
            use_work(on_device, device_bytes, on_host, host_bytes);
            char uplo = triangle(fill);
            int size = as_int(n), la = as_int(lda);
            blas<T>().potrf(&uplo, &size, static_cast<T*>(a), &la, info);
        });
    });
}
int cusolverDnXsyevBatched_bufferSize(void*, void*, int, int, Int n, int, const void*, Int lda, int, const void*, int,
                                      std::size_t* on_device, std::size_t* on_host, Int count) {
    return sizes(__func__, n, lda, static_cast<std::size_t>(2 * n * count), on_device, on_host);
}
int cusolverDnXsyevBatched(void* h, void*, int job, int fill, Int n, int type, void* a, Int lda, int, void* values, int,
                           void* on_device, std::size_t device_bytes, void* on_host, std::size_t host_bytes, int* info,
                           Int count) {
    return eigen_batched(__func__, h, job, fill, n, type, a, lda, values, on_device, device_bytes, on_host, host_bytes,
                         info, count);
}
int cusolverDnXsyevd_bufferSize(void*, void*, int, int, Int n, int, const void*, Int lda, int, const void*, int,
                                std::size_t* on_device, std::size_t* on_host) {
    return sizes(__func__, n, lda, static_cast<std::size_t>(2 * n), on_device, on_host);
}
int cusolverDnXsyevd(void* h, void*, int job, int fill, Int n, int type, void* a, Int lda, int, void* values, int,
                     void* on_device, std::size_t device_bytes, void* on_host, std::size_t host_bytes, int* info) {
    return eigen_batched(__func__, h, job, fill, n, type, a, lda, values, on_device, device_bytes, on_host, host_bytes,
                         info, 1);
}

}  // extern "C"
#pragma GCC visibility pop

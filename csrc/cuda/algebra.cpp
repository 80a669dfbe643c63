// Linear algebra by cuBLAS and cuSOLVER.
#include <vector>

#include "libraries.hpp"
#include "state.hpp"

namespace heschl {
namespace {

constexpr int cublas_no_memory = 3, cusolver_no_memory = 2;

void check_library(int status, const char* what, int no_memory) {
    if (status == 0) return;
    const std::string message = std::string(what) + " failed with status " + std::to_string(status);
    if (status == no_memory)
        throw Error(ErrorKind::out_of_memory, "device memory: none is left for a library: " + message);
    throw Error(ErrorKind::device, message);
}

void check_blas(int status, const char* what) { check_library(status, what, cublas_no_memory); }
void check_solver(int status, const char* what) { check_library(status, what, cusolver_no_memory); }

constexpr int op(bool transpose) { return transpose ? 1 : 0; }
constexpr int lower = 0, upper = 1, left = 0, right = 1, non_unit = 0;
constexpr int tf32_math = 3, half_type = 2, float_type = 0, compute_float = 68, default_algorithm = -1;

template <class T>
constexpr int data_type() {
    return sizeof(T) == sizeof(float) ? 0 : 1;  // CUDA_R_32F, CUDA_R_64F
}

template <class T>
const CublasTable<T>& table() {
    if constexpr (sizeof(T) == sizeof(float))
        return libraries().single;
    else
        return libraries().double_;
}

// The device's handles, used by one thread at a time.
class Turn {
 public:
    explicit Turn(const Cuda& cuda) : state(cuda.state()), here_(cuda), guard_(state.lock) {}
    Handle blas(bool exact) const { return exact || state.rounding == nullptr ? state.blas : state.rounding; }
    Cuda::State& state;

 private:
    OnDevice here_;
    std::lock_guard<std::mutex> guard_;
};

}  // namespace

void create_handles(Cuda::State& state, bool tf32) {
    const Libraries& found = libraries();
    const auto create = [&](Handle& handle) {
        check_blas(found.blas_create(&handle), "cublasCreate");
        check_blas(found.blas_set_stream(handle, state.stream), "cublasSetStream");
    };
    create(state.blas);
    if (tf32) {  // products with data alone: a solve so rounded would miss its equations, errors from moments cancel
        create(state.rounding);
        check_blas(found.blas_set_math_mode(state.rounding, tf32_math), "cublasSetMathMode");
    }
    check_solver(found.solver_create(&state.solver), "cusolverDnCreate");
    check_solver(found.solver_set_stream(state.solver, state.stream), "cusolverDnSetStream");
    check_solver(found.solver_create_params(&state.parameters), "cusolverDnCreateParams");
}

// A row-major matrix is its own transpose in column-major order, so nothing is copied.

template <class T>
static void gemm_by(bool exact, const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a,
                    Matrix<const T> b, T beta, Matrix<T> c) {
    if (c.rows == 0 || c.cols == 0) return;
    const Turn turn(cuda);
    check_blas(table<T>().gemm(turn.blas(exact), op(transpose_b), op(transpose_a), c.cols, c.rows,
                               transpose_a ? a.rows : a.cols, &alpha, b.data, b.stride, a.data, a.stride, &beta, c.data,
                               c.stride),
               "cublas gemm");
}

template <class T>
void gemm(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c) {
    gemm_by(false, cuda, transpose_a, transpose_b, alpha, a, b, beta, c);
}

template <class T>
void gemm_exact(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b,
                T beta, Matrix<T> c) {
    gemm_by(true, cuda, transpose_a, transpose_b, alpha, a, b, beta, c);
}

void gemm_half(const Cuda& cuda, bool transpose_a, bool transpose_b, float alpha, Matrix<const Half> a,
               Matrix<const Half> b, float beta, Matrix<float> c) {
    if (c.rows == 0 || c.cols == 0) return;
    const Turn turn(cuda);
    check_blas(
        libraries().gemm_ex(turn.state.blas, op(transpose_b), op(transpose_a), c.cols, c.rows,
                            transpose_a ? a.rows : a.cols, &alpha, b.data, half_type, b.stride, a.data, half_type,
                            a.stride, &beta, c.data, float_type, c.stride, compute_float, default_algorithm),
        "cublas gemmEx");
}

template <class T>
void gemm_moving(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, int64_t a_step,
                 Matrix<const T> b, int64_t b_step, T beta, Matrix<T> c, int64_t c_step, int64_t count, bool exact) {
    if (c.rows == 0 || c.cols == 0 || count == 0) return;
    const Turn turn(cuda);
    check_blas(table<T>().gemm_batched(turn.blas(exact), op(transpose_b), op(transpose_a), c.cols, c.rows,
                                       transpose_a ? a.rows : a.cols, &alpha, b.data, b.stride, b_step, a.data,
                                       a.stride, a_step, &beta, c.data, c.stride, c_step, count),
               "cublas gemmStridedBatched");
}

template <class T>
void syrk_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    const Turn turn(cuda);
    check_blas(table<T>().syrk(turn.state.blas, upper, op(false), c.rows, a.rows, &alpha, a.data, a.stride, &beta,
                               c.data, c.stride),
               "cublas syrk");
}

template <class T>
void syrk_rows_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    const Turn turn(cuda);
    check_blas(table<T>().syrk(turn.state.blas, upper, op(true), c.rows, a.cols, &alpha, a.data, a.stride, &beta,
                               c.data, c.stride),
               "cublas syrk");
}

template <class T>
void symm_lower(const Cuda& cuda, Matrix<const T> g, Matrix<const T> b, Matrix<T> c) {
    if (c.rows == 0 || c.cols == 0) return;
    const T one = 1, zero = 0;
    const Turn turn(cuda);
    check_blas(table<T>().symm(turn.state.blas, right, upper, c.cols, c.rows, &one, g.data, g.stride, b.data, b.stride,
                               &zero, c.data, c.stride),
               "cublas symm");
}

// size(…) says how much work space call(…) takes, which then gets it; `verdicts` receives cuSOLVER's.
template <class Size, class Call>
static void with_work_space(const Cuda& cuda, const Buffer<int>& verdicts, const Size& size, const Call& call) {
    std::size_t on_device = 0, on_host = 0;
    {
        const Turn turn(cuda);
        size(turn.state, &on_device, &on_host);
    }
    const Buffer<char> work(cuda, static_cast<int64_t>(on_device));
    std::vector<char> host_work(on_host);
    {
        const Turn turn(cuda);
        call(turn.state, work.data(), on_device, host_work.data(), on_host, verdicts.data());
    }
    cuda.keep(std::move(host_work));
}

template <class T>
static void potrf_upper(const Cuda& cuda, Matrix<T> a, const Buffer<int>& verdict) {
    const Libraries& found = libraries();
    constexpr int type = data_type<T>();
    with_work_space(
        cuda, verdict,
        [&](Cuda::State& state, std::size_t* on_device, std::size_t* on_host) {
            check_solver(found.potrf_size(state.solver, state.parameters, lower, a.rows, type, a.data, a.stride, type,
                                          on_device, on_host),
                         "cusolverDnXpotrf_bufferSize");
        },
        [&](Cuda::State& state, void* work, std::size_t bytes, void* host_work, std::size_t host_bytes, int* out) {
            check_solver(found.potrf(state.solver, state.parameters, lower, a.rows, type, a.data, a.stride, type, work,
                                     bytes, host_work, host_bytes, out),
                         "cusolverDnXpotrf");
        });
}

template <class T>
void cholesky_upper(const Cuda& cuda, Matrix<T> a) {
    if (a.rows == 0) return;
    const Buffer<int> verdict(cuda, 1);
    potrf_upper(cuda, a, verdict);
    if (verdict.read()[0] != 0)
        throw Error(ErrorKind::not_definite, "the matrix X'X + alpha I is not positive definite to working precision");
}

template <class T>
void factor_upper(const Cuda& cuda, Matrix<T> a) {
    if (a.rows == 0) return;
    const Buffer<int> verdict(cuda, 1);
    potrf_upper(cuda, a, verdict);
    spoil_failed(cuda, verdict.data(), a);
}

template <class T>
static void triangular_solve(const Cuda& cuda, int side, bool transpose, Matrix<const T> u, Matrix<T> r) {
    if (r.rows == 0 || r.cols == 0) return;
    const T one = 1;
    const Turn turn(cuda);
    check_blas(table<T>().trsm(turn.state.blas, side, lower, op(transpose), non_unit, r.cols, r.rows, &one, u.data,
                               u.stride, r.data, r.stride),
               "cublas trsm");
}

template <class T>
void half_solve_upper(const Cuda& cuda, Matrix<const T> u, bool transposed, Matrix<T> r) {
    triangular_solve(cuda, right, transposed, u, r);
}

template <class T>
void solve_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    half_solve_upper(cuda, u, true, r);
    half_solve_upper(cuda, u, false, r);
}

template <class T>
void divide_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    triangular_solve(cuda, left, false, u, r);
}

template <class T>
void eigen_lower(const Cuda& cuda, Matrix<T> a, bool vectors, T* values) {
    if (a.rows == 0) return;
    const Libraries& found = libraries();
    constexpr int type = data_type<T>();
    const int job = vectors ? 1 : 0;
    const int64_t n = a.cols, count = a.rows / n;
    const bool together = count > 1 && found.syev_batched != nullptr && a.stride == n;
    const Buffer<int> verdicts(cuda, count);
    with_work_space(
        cuda, verdicts,
        [&](Cuda::State& state, std::size_t* on_device, std::size_t* on_host) {
            if (together)
                check_solver(found.syev_batched_size(state.solver, state.parameters, job, upper, n, type, a.data,
                                                     a.stride, type, values, type, on_device, on_host, count),
                             "cusolverDnXsyevBatched_bufferSize");
            else
                check_solver(found.syevd_size(state.solver, state.parameters, job, upper, n, type, a.data, a.stride,
                                              type, values, type, on_device, on_host),
                             "cusolverDnXsyevd_bufferSize");
        },
        [&](Cuda::State& state, void* work, std::size_t bytes, void* host_work, std::size_t host_bytes, int* out) {
            if (together)
                check_solver(found.syev_batched(state.solver, state.parameters, job, upper, n, type, a.data, a.stride,
                                                type, values, type, work, bytes, host_work, host_bytes, out, count),
                             "cusolverDnXsyevBatched");
            for (int64_t i = 0; !together && i < count; ++i)
                check_solver(found.syevd(state.solver, state.parameters, job, upper, n, type, a.row(i * n), a.stride,
                                         type, values + i * n, type, work, bytes, host_work, host_bytes, out + i),
                             "cusolverDnXsyevd");
        });
    for (const int failed : verdicts.read())
        if (failed != 0) throw Error(ErrorKind::not_definite, "an eigendecomposition did not converge");
}

template void gemm(const Cuda&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void gemm(const Cuda&, bool, bool, double, Matrix<const double>, Matrix<const double>, double, Matrix<double>);
template void gemm_exact(const Cuda&, bool, bool, float, Matrix<const float>, Matrix<const float>, float,
                         Matrix<float>);
template void gemm_exact(const Cuda&, bool, bool, double, Matrix<const double>, Matrix<const double>, double,
                         Matrix<double>);
template void gemm_moving(const Cuda&, bool, bool, float, Matrix<const float>, int64_t, Matrix<const float>, int64_t,
                          float, Matrix<float>, int64_t, int64_t, bool);
template void gemm_moving(const Cuda&, bool, bool, double, Matrix<const double>, int64_t, Matrix<const double>, int64_t,
                          double, Matrix<double>, int64_t, int64_t, bool);
template void syrk_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void syrk_rows_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_rows_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void symm_lower(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<float>);
template void symm_lower(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<double>);
template void cholesky_upper(const Cuda&, Matrix<float>);
template void cholesky_upper(const Cuda&, Matrix<double>);
template void factor_upper(const Cuda&, Matrix<float>);
template void factor_upper(const Cuda&, Matrix<double>);
template void solve_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void solve_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void half_solve_upper(const Cuda&, Matrix<const float>, bool, Matrix<float>);
template void half_solve_upper(const Cuda&, Matrix<const double>, bool, Matrix<double>);
template void divide_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void divide_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void eigen_lower(const Cuda&, Matrix<float>, bool, float*);
template void eigen_lower(const Cuda&, Matrix<double>, bool, double*);

}  // namespace heschl

// Row-major calls on a column-major BLAS: a row-major matrix is its own transpose there, so nothing is copied.
#include "heschl/blas.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace heschl {
namespace {

int to_int(int64_t size) {
    if (size > std::numeric_limits<int>::max())
        throw Error(ErrorKind::out_of_bounds,
                    "a matrix has " + std::to_string(size) + " rows or columns; BLAS here carries at most 2147483647");
    return static_cast<int>(size);
}

// BLAS wants a leading dimension of at least 1 and of at least the row length, also where a matrix has one row.
int leading(int64_t stride, int64_t cols) { return to_int(std::max<int64_t>({1, stride, cols})); }

template <class T>
T* unconst(const T* pointer) {
    return const_cast<T*>(pointer);  // the Fortran interface knows no const; these arguments are only read
}

}  // namespace

template <class T>
void gemm(const Cpu& cpu, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c) {
    if (c.rows == 0 || c.cols == 0) return;
    char ta = transpose_a ? 'T' : 'N', tb = transpose_b ? 'T' : 'N';
    int m = to_int(c.cols), n = to_int(c.rows), k = to_int(transpose_a ? a.rows : a.cols);
    int lda = leading(b.stride, b.cols), ldb = leading(a.stride, a.cols), ldc = leading(c.stride, c.cols);
    cpu.blas<T>().gemm(&tb, &ta, &m, &n, &k, &alpha, unconst(b.data), &lda, unconst(a.data), &ldb, &beta, c.data, &ldc);
}

template <class T>
void syrk_lower(const Cpu& cpu, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    char uplo = 'U', trans = 'N';  // row-major lower is column-major upper; A' (n, k) there
    int n = to_int(c.rows), k = to_int(a.rows), lda = leading(a.stride, a.cols), ldc = leading(c.stride, c.cols);
    cpu.blas<T>().syrk(&uplo, &trans, &n, &k, &alpha, unconst(a.data), &lda, &beta, c.data, &ldc);
}

template <class T>
void syrk_rows_lower(const Cpu& cpu, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    if (c.rows == 0) return;
    char uplo = 'U', trans = 'T';
    int n = to_int(c.rows), k = to_int(a.cols), lda = leading(a.stride, a.cols), ldc = leading(c.stride, c.cols);
    cpu.blas<T>().syrk(&uplo, &trans, &n, &k, &alpha, unconst(a.data), &lda, &beta, c.data, &ldc);
}

template <class T>
void cholesky_upper(const Cpu& cpu, Matrix<T> a) {
    char uplo = 'L';
    int n = to_int(a.rows), lda = leading(a.stride, a.cols), info = 0;
    if (n == 0) return;
    cpu.blas<T>().potrf(&uplo, &n, a.data, &lda, &info);
    if (info != 0)
        throw Error(ErrorKind::not_definite, "the matrix X'X + alpha I is not positive definite to working precision");
}

// Column-major sees R' (c, n) and L = U': R' <- L^-1 R'.
template <class T>
void divide_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r) {
    if (r.rows == 0 || r.cols == 0) return;
    char side = 'L', uplo = 'L', trans = 'N', diag = 'N';
    int m = to_int(r.cols), n = to_int(r.rows), lda = leading(u.stride, u.cols), ldb = leading(r.stride, r.cols);
    T one = 1;
    cpu.blas<T>().trsm(&side, &uplo, &trans, &diag, &m, &n, &one, unconst(u.data), &lda, r.data, &ldb);
}

template <class T>
void largest_eigen(const Cpu& cpu, Matrix<T> a, int64_t k, T* values, Matrix<T> v) {
    if (k == 0) return;
    char job = v ? 'V' : 'N', range = 'I', uplo = 'U';  // row-major lower is column-major upper
    int n = to_int(a.rows), lda = leading(a.stride, a.cols), first = to_int(a.rows - k + 1), last = n, found = 0;
    int ldv = v ? leading(v.stride, v.cols) : 1, info = 0;
    constexpr int blocking = 64;  // columns that LAPACK reduces together; 26 and 10 are what it asks for besides
    int size = to_int((26 + blocking) * a.rows), integers = to_int(10 * a.rows);
    std::vector<T> work(static_cast<std::size_t>(size));
    std::vector<int> integer_work(static_cast<std::size_t>(integers)), support(static_cast<std::size_t>(2 * k));
    T none = 0;
    cpu.blas<T>().syevr(&job, &range, &uplo, &n, a.data, &lda, &none, &none, &first, &last, &none, &found, values,
                        v.data, &ldv, support.data(), work.data(), &size, integer_work.data(), &integers, &info);
    if (info != 0 || found != k)
        throw Error(ErrorKind::not_definite, "the eigenvalues of a product of two sides were not found");
}

// Column-major sees R' (c, n) and L = U': R' <- R' L'^-1 (trans 'T') or R' <- R' L^-1 ('N').
template <class T>
static void triangular_solve(const Cpu& cpu, char trans, Matrix<const T> u, Matrix<T> r) {
    if (r.rows == 0 || r.cols == 0) return;
    char side = 'R', uplo = 'L', diag = 'N';
    int m = to_int(r.cols), n = to_int(r.rows), lda = leading(u.stride, u.cols), ldb = leading(r.stride, r.cols);
    T one = 1;
    cpu.blas<T>().trsm(&side, &uplo, &trans, &diag, &m, &n, &one, unconst(u.data), &lda, r.data, &ldb);
}

template <class T>
void half_solve_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r) {
    triangular_solve(cpu, 'T', u, r);
}

template <class T>
void solve_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r) {
    triangular_solve(cpu, 'T', u, r);
    triangular_solve(cpu, 'N', u, r);
}

template void gemm(const Cpu&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void gemm(const Cpu&, bool, bool, double, Matrix<const double>, Matrix<const double>, double, Matrix<double>);
template void syrk_lower(const Cpu&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_lower(const Cpu&, double, Matrix<const double>, double, Matrix<double>);
template void syrk_rows_lower(const Cpu&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_rows_lower(const Cpu&, double, Matrix<const double>, double, Matrix<double>);
template void divide_upper(const Cpu&, Matrix<const float>, Matrix<float>);
template void divide_upper(const Cpu&, Matrix<const double>, Matrix<double>);
template void largest_eigen(const Cpu&, Matrix<float>, int64_t, float*, Matrix<float>);
template void largest_eigen(const Cpu&, Matrix<double>, int64_t, double*, Matrix<double>);
template void cholesky_upper(const Cpu&, Matrix<float>);
template void cholesky_upper(const Cpu&, Matrix<double>);
template void half_solve_upper(const Cpu&, Matrix<const float>, Matrix<float>);
template void half_solve_upper(const Cpu&, Matrix<const double>, Matrix<double>);
template void solve_upper(const Cpu&, Matrix<const float>, Matrix<float>);
template void solve_upper(const Cpu&, Matrix<const double>, Matrix<double>);

}  // namespace heschl

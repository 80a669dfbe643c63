// The BLAS and LAPACK routines the core calls, as function pointers with the Fortran interface (32-bit integers).
// Nothing is linked: whoever loads the core fills the table once (bindings/scipy_blas.cpp takes it from SciPy).
#pragma once

#include "heschl/error.hpp"
#include "heschl/view.hpp"

namespace heschl {

template <class T>
struct BlasTable {
    using Int = int*;
    using Char = char*;
    using gemm_t = void (*)(Char, Char, Int, Int, Int, T*, T*, Int, T*, Int, T*, T*, Int);
    using syrk_t = void (*)(Char, Char, Int, Int, T*, T*, Int, T*, T*, Int);
    using trsm_t = void (*)(Char, Char, Char, Char, Int, Int, T*, T*, Int, T*, Int);
    using potrf_t = void (*)(Char, Int, T*, Int, Int);
    using syevr_t = void (*)(Char, Char, Char, Int, T*, Int, T*, T*, Int, Int, T*, Int, T*, T*, Int, Int, T*, Int, Int,
                             Int, Int);

    gemm_t gemm = nullptr;
    syrk_t syrk = nullptr;
    trsm_t trsm = nullptr;
    potrf_t potrf = nullptr;
    syevr_t syevr = nullptr;
};

// The CPU as a kernel sees it: its BLAS and the number of threads that element loops may use.
struct Cpu {
    BlasTable<float> single;
    BlasTable<double> double_;
    int64_t n_threads = 1;

    template <class T>
    const BlasTable<T>& blas() const {
        if constexpr (sizeof(T) == sizeof(float))
            return single;
        else
            return double_;
    }
};

// C = alpha * op(A) op(B) + beta * C, all row-major, op(A) (m, k), op(B) (k, n), C (m, n).
template <class T>
void gemm(const Cpu& cpu, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c);

// Lower triangle of C = alpha * A'A + beta * C, row-major, A (k, n), C (n, n).
template <class T>
void syrk_lower(const Cpu& cpu, T alpha, Matrix<const T> a, T beta, Matrix<T> c);

// Lower triangle of C = alpha * A A' + beta * C, row-major, A (n, k), C (n, n).
template <class T>
void syrk_rows_lower(const Cpu& cpu, T alpha, Matrix<const T> a, T beta, Matrix<T> c);

// Cholesky of the symmetric matrix whose upper triangle (row-major) is in A: A = U'U, U replaces that triangle.
// Throws Error(not_definite) where a pivot is not positive.
template <class T>
void cholesky_upper(const Cpu& cpu, Matrix<T> a);

// Solves U'U W = R in place of R (n, c) with the factor of cholesky_upper.
template <class T>
void solve_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r);

// Solves the first half, U'Z = R, in place of R (n, c).
template <class T>
void half_solve_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r);

// R U^-1 in place of R (n, c), with the factor of cholesky_upper.
template <class T>
void divide_upper(const Cpu& cpu, Matrix<const T> u, Matrix<T> r);

// The k largest eigenvalues, rising, of the symmetric matrix (n, n) whose lower triangle is in A, which is lost; and
// their vectors, the rows of V (k, n), where V is given. `values` holds n.
template <class T>
void largest_eigen(const Cpu& cpu, Matrix<T> a, int64_t k, T* values, Matrix<T> v);

}  // namespace heschl

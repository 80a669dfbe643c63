// Solutions at many alphas together: Cholesky factorisations by block columns, each block one batched product for all
// alphas, and diagonal blocks inverted by a kernel of our own; so do triangular solves. Where matrices are small,
// factored one by one they take what it costs to start their kernels.
#include <cmath>

#include "arrays.hpp"
#include "products.hpp"

namespace heschl {
namespace {

#ifdef HESCHL_EMULATED
constexpr int64_t block = 8;
#else
constexpr int64_t block = 64;
#endif

// Lower triangular inverses (block, block) of the factors of diagonal blocks A (size, size) whose lower triangles lie
// `step` apart, and are lost: one elimination of A and of the identity beside it.
template <class T>
void invert_factors(const Cuda& cuda, int64_t count, int64_t size, T* A, int64_t step, T* inverses, int64_t apart) {
    for_each_group(cuda, count, size + 2, [=] __device__(int64_t group, int64_t step_number, int64_t thread) {
        T *const a = A + group * step, *const e = inverses + group * apart;
        const int64_t j = step_number - 1, first = step_number == 0 || j == size ? 0 : j + 1;
        for (int64_t at = thread; at < (size - first) * size; at += group_threads) {
            const int64_t r = first + at / size, u = at % size;
            if (step_number == 0)
                e[r * block + u] = r == u ? T(1) : T(0);
            else if (j == size)
                e[r * block + u] /= std::sqrt(a[r * block + r]);  // NaN where there is no factor
            else if (u <= j)
                e[r * block + u] -= a[r * block + j] / a[j * block + j] * e[j * block + u];
            else if (u <= r)
                a[r * block + u] -= a[r * block + j] / a[j * block + j] * a[u * block + j];
        }
    });
}

}  // namespace

template <class T>
void ridge_path(const Cuda& cuda, Matrix<T> G, Vector<const T> diagonal, const std::vector<double>& alphas,
                Matrix<const T> R, Matrix<T> W) {
    const int64_t p = G.rows, c = R.cols, count = static_cast<int64_t>(alphas.size()), all = count * c;
    require(G.cols == p && diagonal.size == p && R.rows == p && W.rows == p && W.cols == all,
            "ridge_path: G (p, p), diagonal (p), R (p, c), W (p, alphas c) differ");
    if (p == 0 || all == 0) return;
    mirror_lower(cuda, G);
    const int64_t blocks = (p + block - 1) / block, square = block * block, apart = blocks * square;
    const Buffer<T> factors(cuda, count * p * p), inverses(cuda, count * apart), columns(cuda, count * p * block);
    const Buffer<T> middle(cuda, p * all);
    const Buffer<double> penalties(cuda, alphas);
    T *const F = factors.data(), *const column = columns.data();
    const double* const penalty = penalties.data();
    const auto multiply = [&](bool transpose, T scale, Matrix<const T> a, int64_t a_step, Matrix<const T> b, T keep,
                              Matrix<T> out) {
        gemm_moving<T>(cuda, transpose, false, scale, a, a_step, b, c, keep, out, c, count, true);
    };
    for (int64_t k = 0; k < blocks; ++k) {
        const int64_t from = k * block, size = std::min(block, p - from), rows = p - from, rest = rows - size;
        for_each(cuda, count * rows * size, [=] __device__(int64_t at) {
            const int64_t l = at / (rows * size), i = at / size % rows, j = at % size;
            column[(l * p + i) * block + j] =
                i == j ? static_cast<T>(static_cast<double>(diagonal.data[from + i]) + penalty[l])
                       : G.data[(from + i) * G.stride + from + j];
        });
        const Matrix<const T> done{F + from * p, rows, from, p};
        if (from > 0)
            gemm_moving<T>(cuda, false, true, T(-1), done, p * p, {done.data, size, from, p}, p * p, T(1),
                           {column, rows, size, block}, p * block, count, true);
        T* const inverse = inverses.data() + k * square;
        invert_factors(cuda, count, size, column, p * block, inverse, apart);
        if (rest > 0)
            gemm_moving<T>(cuda, false, true, T(1), {column + size * block, rest, size, block}, p * block,
                           {inverse, size, size, block}, apart, T(0), {F + (from + size) * p + from, rest, size, p},
                           p * p, count, true);
    }
    for_each(cuda, p * all, [=] __device__(int64_t at) {
        W.data[at / all * W.stride + at % all] = R.data[at / all * R.stride + at % all % c];
    });
    const Matrix<T> half = middle.matrix(p, all);
    const auto some = [&](const Matrix<T>& of, int64_t first, int64_t rows) {
        return Matrix<T>{of.row(first), rows, c, of.stride};
    };
    const auto read = [&](const Matrix<T>& of, int64_t first, int64_t rows) {
        return Matrix<const T>{of.row(first), rows, c, of.stride};
    };
    for (int64_t k = 0; k < blocks; ++k) {
        const int64_t from = k * block, size = std::min(block, p - from);
        if (from > 0)
            multiply(false, T(-1), {F + from * p, size, from, p}, p * p, read(half, 0, from), T(1),
                     some(W, from, size));
        multiply(false, T(1), {inverses.data() + k * square, size, size, block}, apart, read(W, from, size), T(0),
                 some(half, from, size));
    }
    for (int64_t k = blocks - 1; k >= 0; --k) {
        const int64_t from = k * block, size = std::min(block, p - from), next = from + size, rest = p - next;
        if (rest > 0)
            multiply(true, T(-1), {F + next * p + from, rest, size, p}, p * p, read(W, next, rest), T(1),
                     some(half, from, size));
        multiply(true, T(1), {inverses.data() + k * square, size, size, block}, apart, read(half, from, size), T(0),
                 some(W, from, size));
    }
}

template <class T>
std::vector<double> path_residuals(const Cuda& cuda, Matrix<const T> G, Vector<const T> diagonal,
                                   const std::vector<double>& alphas, Matrix<const T> R, Matrix<const T> W,
                                   const std::vector<int64_t>& targets) {
    constexpr int64_t lanes = 32;  // neighbouring threads read neighbours along the rows of G
    const auto m = static_cast<int64_t>(targets.size()), count = static_cast<int64_t>(alphas.size());
    const int64_t p = G.rows, c = R.cols, vectors = m * count;
    const Buffer<double> gathered(cuda, vectors * p), partial(cuda, vectors * p * lanes),
        sums(cuda, vectors * lanes * 2);
    const Buffer<double> penalties(cuda, alphas);
    const Buffer<int64_t> chosen(cuda, targets);
    double *const w = gathered.data(), *const part = partial.data(), *const out = sums.data();
    const double* const penalty = penalties.data();
    const int64_t* const target = chosen.data();
    for_each(cuda, vectors * p, [=] __device__(int64_t at) {
        const int64_t v = at / p, r = at % p;
        w[at] = static_cast<double>(W.data[r * W.stride + v / m * c + target[v % m]]);
    });
    for_each(cuda, vectors * p * lanes, [=] __device__(int64_t at) {
        const int64_t v = at / (p * lanes), r = at / lanes % p;
        double sum = 0.0;
        for (int64_t g = at % lanes; g < p; g += lanes)
            if (g != r) sum += static_cast<double>(G.data[r * G.stride + g]) * w[v * p + g];
        part[at] = sum;
    });
    for_each(cuda, vectors * lanes, [=] __device__(int64_t at) {
        const int64_t v = at / lanes;
        double error = 0.0, size = 0.0;
        for (int64_t r = at % lanes; r < p; r += lanes) {
            const double right = static_cast<double>(R.data[r * R.stride + target[v % m]]);
            double left = (static_cast<double>(diagonal.data[r]) + penalty[v / m]) * w[v * p + r] - right;
            for (int64_t lane = 0; lane < lanes; ++lane) left += part[(v * p + r) * lanes + lane];
            error += left * left;
            size += right * right;
        }
        out[2 * at] = error;
        out[2 * at + 1] = size;
    });
    const std::vector<double> found = sums.read();
    std::vector<double> worst(alphas.size(), 0.0);
    for (int64_t v = 0; v < vectors; ++v) {
        double error = 0.0, size = 0.0;
        for (int64_t at = v * lanes; at < (v + 1) * lanes; ++at) {
            error += found[static_cast<std::size_t>(2 * at)];
            size += found[static_cast<std::size_t>(2 * at + 1)];
        }
        double& own = worst[static_cast<std::size_t>(v / m)];
        const double residual = error > 0.0 ? std::sqrt(error / std::max(size, 1e-300)) : error;
        if (std::isnan(residual) || residual > own) own = residual;  // NaN stays
    }
    return worst;
}

template void ridge_path(const Cuda&, Matrix<float>, Vector<const float>, const std::vector<double>&,
                         Matrix<const float>, Matrix<float>);
template void ridge_path(const Cuda&, Matrix<double>, Vector<const double>, const std::vector<double>&,
                         Matrix<const double>, Matrix<double>);
template std::vector<double> path_residuals(const Cuda&, Matrix<const float>, Vector<const float>,
                                            const std::vector<double>&, Matrix<const float>, Matrix<const float>,
                                            const std::vector<int64_t>&);
template std::vector<double> path_residuals(const Cuda&, Matrix<const double>, Vector<const double>,
                                            const std::vector<double>&, Matrix<const double>, Matrix<const double>,
                                            const std::vector<int64_t>&);

}  // namespace heschl

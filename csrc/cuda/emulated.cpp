// The device layer on host memory, with SciPy's BLAS: what tests run every kernel with where there is no GPU. Memory is
// filled with NaN before it is given out, counted, and as small as a device's.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "../bindings/blas.hpp"
#include "device.hpp"
#include "libraries.hpp"

namespace heschl {
namespace {

constexpr std::size_t total_bytes = std::size_t{2} << 30;

}  // namespace

struct Cuda::State {
    Cpu cpu = bindings::scipy_blas();
    std::mutex lock;
    std::unordered_map<void*, std::size_t> sizes;
    std::size_t used = 0;
};

Cuda::Cuda(int ordinal, bool use_tf32) : device(ordinal), tf32(use_tf32), state_(std::make_unique<State>()) {}
Cuda::~Cuda() = default;

void* Cuda::stream() const { return nullptr; }

void* Cuda::allocate(std::size_t bytes) const {
    const std::lock_guard<std::mutex> guard(state_->lock);
    void* memory = bytes <= total_bytes - state_->used ? std::malloc(bytes) : nullptr;
    if (memory == nullptr)
        throw Error(ErrorKind::out_of_memory, "device memory: " + std::to_string(bytes >> 20) + " MB asked for, " +
                                                  std::to_string((total_bytes - state_->used) >> 20) + " MB of " +
                                                  std::to_string(total_bytes >> 20) + " MB are free");
    std::memset(memory, 0xFF, bytes);
    state_->sizes[memory] = bytes;
    state_->used += bytes;
    return memory;
}

void Cuda::release(void* memory) const noexcept {
    const std::lock_guard<std::mutex> guard(state_->lock);
    const auto found = state_->sizes.find(memory);
    state_->used -= found->second;
    state_->sizes.erase(found);
    std::free(memory);
}

void Cuda::copy_in(void* to, const void* host, std::size_t bytes) const { copy(to, host, bytes); }
void Cuda::copy_out(void* host, const void* from, std::size_t bytes) const { copy(host, from, bytes); }
void Cuda::copy(void* to, const void* from, std::size_t bytes) const {
    if (bytes > 0) std::memcpy(to, from, bytes);
}
void Cuda::clear(void* memory, std::size_t bytes) const { std::memset(memory, 0, bytes); }
void Cuda::synchronize() const {}
void Cuda::synchronize_all() const {}
void Cuda::memory(std::size_t& free, std::size_t& total) const {
    free = total_bytes - state_->used;
    total = total_bytes;
}
void open_libraries(const std::vector<std::string>&, const std::vector<std::string>&) {}
int device_count() { return 1; }
std::string device_name(int) { return "host memory, emulating a GPU"; }
void check_launch() {}

template <class T>
void gemm(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c) {
    gemm(cuda.state().cpu, transpose_a, transpose_b, alpha, a, b, beta, c);
}

template <class T>
void gemm_moving(const Cuda& cuda, bool transpose_a, bool transpose_b, T alpha, Matrix<const T> a, int64_t a_step,
                 Matrix<const T> b, T beta, Matrix<T> c, int64_t c_step, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
        gemm(cuda.state().cpu, transpose_a, transpose_b, alpha, a, b, beta, c);
        a.data += a_step;
        c.data += c_step;
    }
}

template <class T>
void syrk_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    syrk_lower(cuda.state().cpu, alpha, a, beta, c);
}

template <class T>
void syrk_rows_lower(const Cuda& cuda, T alpha, Matrix<const T> a, T beta, Matrix<T> c) {
    syrk_rows_lower(cuda.state().cpu, alpha, a, beta, c);
}

template <class T>
void symm_lower(const Cuda& cuda, Matrix<const T> g, Matrix<const T> b, Matrix<T> c) {
    std::vector<T> whole(static_cast<std::size_t>(g.rows * g.rows));
    for (int64_t i = 0; i < g.rows; ++i)
        for (int64_t j = 0; j <= i; ++j) whole[i * g.rows + j] = whole[j * g.rows + i] = g.row(i)[j];
    gemm<T>(cuda.state().cpu, false, false, T(1), {whole.data(), g.rows, g.rows, g.rows}, b, T(0), c);
}

template <class T>
void cholesky_upper(const Cuda& cuda, Matrix<T> a) {
    cholesky_upper(cuda.state().cpu, a);
}

template <class T>
void solve_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    solve_upper(cuda.state().cpu, u, r);
}

template <class T>
void divide_upper(const Cuda& cuda, Matrix<const T> u, Matrix<T> r) {
    divide_upper(cuda.state().cpu, u, r);
}

template <class T>
void eigen_lower(const Cuda& cuda, Matrix<T> a, bool vectors, T* values) {
    const int64_t n = a.rows;
    std::vector<T> found(static_cast<std::size_t>(vectors ? n * n : 0));
    largest_eigen(cuda.state().cpu, a, n, values, vectors ? Matrix<T>{found.data(), n, n, n} : Matrix<T>{});
    for (int64_t i = 0; vectors && i < n; ++i) std::copy_n(found.data() + i * n, n, a.row(i));
}

template void gemm(const Cuda&, bool, bool, float, Matrix<const float>, Matrix<const float>, float, Matrix<float>);
template void gemm(const Cuda&, bool, bool, double, Matrix<const double>, Matrix<const double>, double, Matrix<double>);
template void gemm_moving(const Cuda&, bool, bool, float, Matrix<const float>, int64_t, Matrix<const float>, float,
                          Matrix<float>, int64_t, int64_t);
template void gemm_moving(const Cuda&, bool, bool, double, Matrix<const double>, int64_t, Matrix<const double>, double,
                          Matrix<double>, int64_t, int64_t);
template void syrk_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void syrk_rows_lower(const Cuda&, float, Matrix<const float>, float, Matrix<float>);
template void syrk_rows_lower(const Cuda&, double, Matrix<const double>, double, Matrix<double>);
template void symm_lower(const Cuda&, Matrix<const float>, Matrix<const float>, Matrix<float>);
template void symm_lower(const Cuda&, Matrix<const double>, Matrix<const double>, Matrix<double>);
template void cholesky_upper(const Cuda&, Matrix<float>);
template void cholesky_upper(const Cuda&, Matrix<double>);
template void solve_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void solve_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void divide_upper(const Cuda&, Matrix<const float>, Matrix<float>);
template void divide_upper(const Cuda&, Matrix<const double>, Matrix<double>);
template void eigen_lower(const Cuda&, Matrix<float>, bool, float*);
template void eigen_lower(const Cuda&, Matrix<double>, bool, double*);

}  // namespace heschl

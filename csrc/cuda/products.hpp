// float32 as two numbers of half precision, and products of such: hi hi + (hi lo + lo hi) 2^-11, at the accuracy of one
// product of float32 and several times its rate (Ootomo and Yokota 2022, Int. J. High Perform. Comput. Appl. 36:475).
#pragma once

#include "device.hpp"
#include "heschl/kernels.hpp"

namespace heschl {

// Halves in 16 bytes: cuBLAS has its fast kernels for operands whose rows begin, and end, at such a multiple alone.
constexpr int64_t aligned = 8;

enum class Each { row, column, all };  // that have an exponent of their own

// x 2^e = high + low 2^-11 to about 22 bits. One e for each row, or each column (in a product, the one of A's and of
// B's side that stays), or for all, such that its largest number is below 2^14. Numbers 2^-28 times as large have as
// many bits. Infinity and NaN have no say in e, and stay what they are. Rows have columns of zeros up to a multiple of
// `aligned`, and there are zeros below the last row, as in SplitRoom.
struct Split {
    Matrix<Half> high, low;
    int* exponents;
    bool apart;  // or one exponent for all

    Split some_rows(int64_t first, int64_t count) const {
        return {{high.row(first), count, high.cols, high.stride},
                {low.row(first), count, low.cols, low.stride},
                exponents,
                apart};
    }
};

void split(const Cuda& cuda, Matrix<const float> in, Each each, const Split& out);

// sum += op(A) op(B), exponents left as they are, or anew; A by rows of op(A), B by columns of op(B), or of one
// exponent. With the zeros that their rows end in.
void add_split(const Cuda& cuda, bool transpose_a, bool transpose_b, const Split& a, const Split& b, bool anew,
               Matrix<float> sum);

// out = op(A) B, op(A) as split by rows of it.
void multiply_split(const Cuda& cuda, bool transpose_a, const Split& a, const Split& b, Matrix<float> out);

// out[i, j] = sum[from[i], j] as it is without the exponents of A and B; `from` none is i.
void without_exponents(const Cuda& cuda, const Split& a, const Split& b, Matrix<const float> sum, const int64_t* from,
                       Matrix<float> out);

// The room of a split matrix.
class SplitRoom {
 public:
    SplitRoom(const Cuda& cuda, Matrix<const float> in, Each each)
        : rows_(in.rows),
          cols_((in.cols + aligned - 1) / aligned * aligned),
          apart_(each != Each::all),
          halves_(cuda, 2 * height() * cols_),
          exponents_(cuda, each == Each::all      ? 1
                           : each == Each::column ? in.cols
                                                  : in.rows) {
        halves_.clear();
        split(cuda, in, each, view());
    }
    Split view() const {
        return {halves_.matrix(rows_, cols_),
                {halves_.data() + height() * cols_, rows_, cols_, cols_},
                exponents_.data(),
                apart_};
    }

 private:
    // With as many rows of zeros as the columns of what it is multiplied by may go beyond its last.
    int64_t height() const { return rows_ + aligned - 1; }

    int64_t rows_, cols_;
    bool apart_;
    Buffer<Half> halves_;
    Buffer<int> exponents_;
};

// The design of some rows, its frames split once, times vectors again and again.
class SplitDesign {
 public:
    SplitDesign(const Cuda& cuda, Frames<float> H, Vector<const float> h_shift, Ranges ranges, Lags lags);
    void multiply(const Cuda& cuda, Matrix<const float> V, Matrix<float> P) const;  // P (n_rows, c) = design V (p, c)
    int64_t rows() const { return rows_; }

 private:
    struct Stretch {
        SplitRoom frames;
        Buffer<int64_t> places;  // of the design's rows
        int64_t first, rows, size;
    };
    Lags lags_;
    int64_t d_, rows_;
    std::vector<std::unique_ptr<Stretch>> stretches_;
};

// W (p, alphas c): the solutions of (X'X + alpha I) W = R (p, c) at many alphas side by side, X'X the lower triangle of
// G, which goes into the upper one, too. NaN where a matrix is not positive definite. And of each alpha the largest
// residual of some targets, as ridge_residual has it; G is whole there.
template <class T>
void ridge_path(const Cuda& cuda, Matrix<T> G, Vector<const T> diagonal, const std::vector<double>& alphas,
                Matrix<const T> R, Matrix<T> W);
template <class T>
std::vector<double> path_residuals(const Cuda& cuda, Matrix<const T> G, Vector<const T> diagonal,
                                   const std::vector<double>& alphas, Matrix<const T> R, Matrix<const T> W,
                                   const std::vector<int64_t>& targets);

}  // namespace heschl

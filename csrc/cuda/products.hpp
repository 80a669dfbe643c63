// float32 as two numbers of half precision, and products of such: hi hi + (hi lo + lo hi) 2^-11, at the accuracy of one
// product of float32 and several times its rate (Ootomo and Yokota 2022, Int. J. High Perform. Comput. Appl. 36:475).
#pragma once

#include "device.hpp"

namespace heschl {

// x 2^e = high + low 2^-11 to about 22 bits, such that the largest number with one e is below 2^14: e of each row, of
// each column, or of all. In a product, A's is of rows and B's of columns, which stay.
struct Split {
    Matrix<Half> high, low;
    int* exponents;
};
enum class SplitBy { rows, columns, nothing };

void split(const Cuda& cuda, Matrix<const float> in, SplitBy by, const Split& out);

// out = scale * op(A) op(B) + keep * out, A split by rows of op(A) and B by columns of op(B).
void multiply_split(const Cuda& cuda, bool transpose_a, bool transpose_b, float scale, const Split& a, const Split& b,
                    float keep, Matrix<float> out);

// out[i] = sum over lags k of frames[n_lags - 1 - k + i] weights[k * d : (k + 1) * d]; frames split by nothing.
void multiply_split_lags(const Cuda& cuda, const Split& frames, const Split& weights, int64_t n_lags,
                         Matrix<float> out);

// The room of a split matrix.
class SplitRoom {
 public:
    SplitRoom(const Cuda& cuda, int64_t rows, int64_t cols, SplitBy by)
        : rows_(rows),
          cols_(cols),
          halves_(cuda, 2 * rows * cols),
          exponents_(cuda, by == SplitBy::columns ? cols : rows) {}
    SplitRoom(const Cuda& cuda, Matrix<const float> in, SplitBy by) : SplitRoom(cuda, in.rows, in.cols, by) {
        split(cuda, in, by, view());
    }
    Split view() const {
        return {halves_.matrix(rows_, cols_), {halves_.data() + rows_ * cols_, rows_, cols_, cols_}, exponents_.data()};
    }

 private:
    int64_t rows_, cols_;
    Buffer<Half> halves_;
    Buffer<int> exponents_;
};

}  // namespace heschl

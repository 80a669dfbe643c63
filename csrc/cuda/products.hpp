// float32 as two numbers of half precision, and products of such: hi hi + (hi lo + lo hi) 2^-11, at the accuracy of one
// product of float32 and several times its rate (Ootomo and Yokota 2022, Int. J. High Perform. Comput. Appl. 36:475).
#pragma once

#include "device.hpp"

namespace heschl {

// x 2^e = high + low 2^-11 to about 22 bits, e one for each row, or each column, such that its largest number is below
// 2^14: in a product, the one of A's and of B's side that stays.
struct Split {
    Matrix<Half> high, low;
    int* exponents;
};

void split(const Cuda& cuda, Matrix<const float> in, bool by_column, const Split& out);

// out = scale * op(A) op(B) + keep * out, A split by rows of op(A) and B by columns of op(B).
void multiply_split(const Cuda& cuda, bool transpose_a, bool transpose_b, float scale, const Split& a, const Split& b,
                    float keep, Matrix<float> out);

// The room of a split matrix.
class SplitRoom {
 public:
    SplitRoom(const Cuda& cuda, int64_t rows, int64_t cols, bool by_column)
        : rows_(rows), cols_(cols), halves_(cuda, 2 * rows * cols), exponents_(cuda, by_column ? cols : rows) {}
    SplitRoom(const Cuda& cuda, Matrix<const float> in, bool by_column) : SplitRoom(cuda, in.rows, in.cols, by_column) {
        split(cuda, in, by_column, view());
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

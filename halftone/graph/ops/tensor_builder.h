// A tensor under construction, filled by copying elements of others, whatever their type.
//
//   TensorBuilder out(x.dtype(), {2, 3});
//   out.copy(0, x, 5, 3);                 // out[0..3) = x[5..8), in row-major order
//   return std::move(out).finish();
#pragma once

#include <span>
#include <string>
#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone {

class TensorBuilder {
 public:
  // Starts as zeros, false or empty strings.
  TensorBuilder(DType dtype, Shape shape);
  // Positions must lie within the tensors; `from` must have the same type (Error).
  void copy(int64_t to, const Tensor& from, int64_t at, int64_t count);
  Tensor finish() &&;

 private:
  DType dtype_;
  Shape shape_;
  size_t width_ = 0;  // bytes an element; packed types take one here
  std::vector<std::byte> bytes_;
  std::vector<std::string> strings_;
};

// out[i] = source[indices[i]]; where an index is -1, the one value of `fill`, or zero where that is
// nullptr.
Tensor picked(const Tensor& source, Shape shape, std::span<const int64_t> indices,
              const Tensor* fill = nullptr);

}  // namespace halftone

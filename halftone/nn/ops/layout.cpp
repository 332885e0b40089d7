#include <ATen/ATen.h>

#include <numeric>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

std::vector<at::Tensor> flatten(const NnInputs& in) {
  int64_t axis = in.node.int_or("axis", 1);
  if (axis < 0) axis += in[0].dim();
  if (axis < 0 || axis > in[0].dim()) throw Error("axis ", axis, " is out of range");
  const auto sizes = in[0].sizes();
  const int64_t rows = std::accumulate(sizes.begin(), sizes.begin() + axis, int64_t{1}, std::multiplies<>());
  const int64_t columns = std::accumulate(sizes.begin() + axis, sizes.end(), int64_t{1}, std::multiplies<>());
  return {in[0].reshape({rows, columns})};
}

std::vector<at::Tensor> reshape(const NnInputs& in) {
  std::vector<int64_t> shape = in.ints(1);
  if (!in.node.int_or("allowzero", 0))
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] == 0) {
        if (static_cast<int64_t>(i) >= in[0].dim()) throw Error("the shape's 0 at ", i, " stands for no dimension");
        shape[i] = in[0].size(static_cast<int64_t>(i));
      }
  return {in[0].reshape(shape)};
}

std::vector<at::Tensor> identity(const NnInputs& in) { return {in[0]}; }

HALFTONE_REGISTER(NnOp, "Flatten", flatten);
HALFTONE_REGISTER(NnOp, "Reshape", reshape);
HALFTONE_REGISTER(NnOp, "Identity", identity);

}  // namespace
}  // namespace halftone

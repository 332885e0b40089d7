#include <ATen/ATen.h>

#include "halftone/nn/op.h"
#include "halftone/nn/ops/window.h"

namespace halftone {
namespace {

std::vector<int64_t> spatial_axes(const at::Tensor& x) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return axes;
}

HALFTONE_REGISTER(NnOp, "GlobalAveragePool", [](const NnInputs& in) {
  return std::vector{at::mean(in[0], spatial_axes(in[0]), true)};
});
HALFTONE_REGISTER(NnOp, "GlobalMaxPool", [](const NnInputs& in) {
  return std::vector{at::amax(in[0], spatial_axes(in[0]), true)};
});

}  // namespace
}  // namespace halftone

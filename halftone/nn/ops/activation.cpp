#include <ATen/ATen.h>

#include <limits>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

std::vector<at::Tensor> clip(const NnInputs& in) {
  std::optional<at::Tensor> low, high;
  if (in.has(1)) low = in[1];
  if (in.has(2)) high = in[2];
  if (in.node.has("min")) low = at::full({}, in.node.float_or("min", 0), in[0].options());
  if (in.node.has("max")) high = at::full({}, in.node.float_or("max", 0), in[0].options());
  if (!low && !high) return {in[0]};
  const bool is_plain = in[0].is_floating_point() && !(low && low->requires_grad()) && !(high && high->requires_grad());
  if (!is_plain) return {at::clamp(in[0], low, high)};
  // With numbers instead of tensors LibTorch has one vectorised pass.
  std::optional<at::Scalar> low_number, high_number;
  if (low) low_number = low->item();
  if (high) high_number = high->item();
  return {at::clamp(in[0], low_number, high_number)};
}

HALFTONE_REGISTER(NnOp, "Relu", [](const NnInputs& in) { return std::vector{at::relu(in[0])}; });
HALFTONE_REGISTER(NnOp, "Clip", clip);

}  // namespace
}  // namespace halftone

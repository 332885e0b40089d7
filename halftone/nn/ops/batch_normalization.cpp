#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

// LibTorch averages the unbiased variance in, ONNX the batch's as it is: `kept` is what stays of
// the old one.
void remove_bias(at::Tensor& variance, const at::Tensor& kept, int64_t count) {
  const at::NoGradGuard no_grad;
  if (count < 2)
    variance.copy_(kept);
  else
    variance.sub_(kept).mul_(static_cast<double>(count - 1) / static_cast<double>(count)).add_(kept);
}

// In a training run the batch's statistics are used, and the running ones (inputs 3 and 4) are
// updated in place; a node in training mode that returns them leaves its inputs alone.
// ONNX's momentum is what stays of the old statistics, LibTorch's what comes of the new ones.
NnOutputs batch_normalization(const NnInputs& in) {
  const at::Tensor &x = in[0], &scale = in[1], &bias = in[2];
  const bool is_training = in.training || in.node.int_or("training_mode", 0) != 0;
  const double momentum = in.node.float_or("momentum", 0.9f);
  const double epsilon = in.node.float_or("epsilon", 1e-5f);
  if (!is_training) return {at::batch_norm(x, scale, bias, in[3], in[4], false, 0, epsilon, false)};
  const bool returns_statistics = in.node.outputs.size() > 1;
  at::Tensor mean = returns_statistics ? in[3].clone() : in[3];
  at::Tensor variance = returns_statistics ? in[4].clone() : in[4];
  const at::Tensor kept = variance.detach() * momentum;
  at::Tensor y = at::batch_norm(x, scale, bias, mean, variance, true, 1 - momentum, epsilon, false);
  remove_bias(variance, kept, x.numel() / std::max<int64_t>(1, variance.numel()));
  return {y, mean, variance};
}

HALFTONE_REGISTER(NnOp, "BatchNormalization", or_reference<batch_normalization>);

}  // namespace
}  // namespace halftone

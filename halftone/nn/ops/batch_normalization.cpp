#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

// LibTorch averages the unbiased variance in, ONNX the batch's as it is. `averaged` is what
// LibTorch made of `kept`, what stays of the old variance, and a batch of `count` values.
at::Tensor without_correction(const at::Tensor& averaged, const at::Tensor& kept, int64_t count) {
  if (count < 2) return kept;
  const double factor = static_cast<double>(count - 1) / static_cast<double>(count);
  return kept + (averaged - kept) * factor;
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
  // Copies, since the backward pass wants what it was given unchanged.
  const at::Tensor mean = in[3].detach().clone(), averaged = in[4].detach().clone();
  const at::Tensor kept = averaged * momentum;
  at::Tensor y = at::batch_norm(x, scale, bias, mean, averaged, true, 1 - momentum, epsilon, false);
  const int64_t count = x.numel() / std::max<int64_t>(1, averaged.numel());
  const at::Tensor variance = without_correction(averaged, kept, count);
  if (in.node.outputs.size() > 1) return {y, mean, variance};
  in[3].detach().copy_(mean);
  in[4].detach().copy_(variance);
  return {y};
}

HALFTONE_REGISTER(NnOp, "BatchNormalization", or_reference<batch_normalization>);

}  // namespace
}  // namespace halftone

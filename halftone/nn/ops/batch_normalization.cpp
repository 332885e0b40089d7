#include <ATen/ops/batch_norm.h>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

// In a training run the batch's statistics are used, and the running ones (inputs 3 and 4) are updated in place.
// ONNX's momentum is what stays of the old statistics, LibTorch's what comes of the new ones.
std::vector<at::Tensor> batch_norm(const NnInputs& in) {
  const bool training = in.training || in.node.int_or("training_mode", 0) != 0;
  const double momentum = 1.0 - static_cast<double>(in.node.float_or("momentum", 0.9f));
  const double epsilon = static_cast<double>(in.node.float_or("epsilon", 1e-5f));
  const bool returns_statistics = in.node.outputs.size() > 1;
  const at::Tensor mean = returns_statistics ? in[3].clone() : in[3];
  const at::Tensor variance = returns_statistics ? in[4].clone() : in[4];
  at::Tensor y = at::batch_norm(in[0], in[1], in[2], mean, variance, training, momentum, epsilon, false);
  return {y, mean, variance};
}

HALFTONE_REGISTER(NnOp, "BatchNormalization", batch_norm);

}  // namespace
}  // namespace halftone

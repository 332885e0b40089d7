// LRN: every value divided by a norm of its neighbours in other channels.
#include <algorithm>
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

void infer(InferenceContext& context) {
  require_rank(context.input(0).shape, 2, "the input");
  same_type_as_input(context);
}

Tensors lrn(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  const double alpha = in.node.float_or("alpha", 1e-4f), beta = in.node.float_or("beta", 0.75f);
  const double bias = in.node.float_or("bias", 1);
  const int64_t size = in.node.int_or("size", 0), channels = type.shape[1];
  if (size < 1) throw Error("size is ", size);
  const int64_t plane = element_count({type.shape.begin() + 2, type.shape.end()});
  const std::vector<double> values = x.to_vector<double>();
  std::vector<double> y(values.size());
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t c = i / plane % channels, first_channel = i - c * plane;
    const int64_t begin = std::max<int64_t>(0, c - (size - 1) / 2);
    const int64_t end = c + std::min(size / 2, channels - 1 - c);
    double sum = 0;
    for (int64_t k = begin; k <= end; ++k) {
      const double neighbour = values[static_cast<size_t>(first_channel + k * plane)];
      sum += neighbour * neighbour;
    }
    const auto at = static_cast<size_t>(i);
    y[at] = values[at] / std::pow(bias + alpha / static_cast<double>(size) * sum, beta);
  }
  return {stored(type.dtype, type.shape, y)};
}

HALFTONE_REGISTER(GraphOp, "LRN", infer, lrn);

}  // namespace
}  // namespace halftone

// Softmax, LogSoftmax, Hardmax along one axis.
#include <algorithm>
#include <cmath>
#include <span>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

void infer(InferenceContext& context) {
  same_type_as_input(context);
  const MaybeShape& shape = context.input(0).shape;
  if (shape)
    normalized_axis(context.node().int_or("axis", -1), static_cast<int64_t>(shape->size()));
}

// Replaces every lane along the axis by f of it.
template <auto f>
Tensors map_lanes(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  std::vector<double> y = x.to_vector<double>();
  Lanes<double> lanes =
      lanes_of(y, x.shape(), {normalized_axis(in.node.int_or("axis", -1), x.rank())});
  const auto length = static_cast<size_t>(lanes.length);
  for (size_t at = 0; at < y.size(); at += length) f(std::span(lanes.values).subspan(at, length));
  for (size_t i = 0; i < y.size(); ++i) y[static_cast<size_t>(lanes.at[i])] = lanes.values[i];
  return {stored(type.dtype, type.shape, y)};
}

void softmax(std::span<double> lane) {
  const double top = *std::ranges::max_element(lane);
  double sum = 0;
  for (double& x : lane) sum += x = std::exp(x - top);
  for (double& x : lane) x /= sum;
}

void log_softmax(std::span<double> lane) {
  const double top = *std::ranges::max_element(lane);
  double sum = 0;
  for (double x : lane) sum += std::exp(x - top);
  for (double& x : lane) x -= top + std::log(sum);
}

void hardmax(std::span<double> lane) {
  const auto top = std::ranges::max_element(lane) - lane.begin();
  std::ranges::fill(lane, 0);
  lane[static_cast<size_t>(top)] = 1;
}

HALFTONE_REGISTER(GraphOp, "Softmax", infer, map_lanes<softmax>);
HALFTONE_REGISTER(GraphOp, "LogSoftmax", infer, map_lanes<log_softmax>);
HALFTONE_REGISTER(GraphOp, "Hardmax", infer, map_lanes<hardmax>);

}  // namespace
}  // namespace halftone

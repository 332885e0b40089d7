// BatchNormalization: with stored statistics, or in training mode with the batch's own and their
// running averages.
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/dims.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  require_rank(x.shape, 1, "the input");
  Dim channels = x.shape ? (x.shape->size() > 1 ? (*x.shape)[1] : Dim::of(1)) : Dim{};
  for (size_t i = 1; i < 5; ++i) {
    const MaybeShape& shape = context.input(i).shape;
    if (!shape) continue;
    if (shape->size() != 1)
      throw Error("input ", i, " has shape ", to_string(*shape), " instead of [channels]");
    channels = unified(channels, (*shape)[0], "the number of channels");
  }
  MaybeShape shape = x.shape;
  if (shape && shape->size() > 1) (*shape)[1] = channels;
  context.set_output(0, x.dtype, shape);
  context.set_output(1, context.input(3).dtype, SymbolicShape{channels});
  context.set_output(2, context.input(4).dtype, SymbolicShape{channels});
}

struct Statistics {
  std::vector<double> mean, variance;  // one a channel
};

// Element i belongs to channel i / plane % channels.
Statistics batch_statistics(const std::vector<double>& x, size_t channels, size_t plane) {
  Statistics result{std::vector<double>(channels), std::vector<double>(channels)};
  const double count = static_cast<double>(x.size()) / static_cast<double>(channels);
  for (size_t i = 0; i < x.size(); ++i) result.mean[i / plane % channels] += x[i] / count;
  for (size_t i = 0; i < x.size(); ++i) {
    const double distance = x[i] - result.mean[i / plane % channels];
    result.variance[i / plane % channels] += distance * distance / count;
  }
  return result;
}

std::vector<double> running_average(std::vector<double> old, const std::vector<double>& current,
                                    double momentum) {
  for (size_t i = 0; i < old.size(); ++i) old[i] = old[i] * momentum + current[i] * (1 - momentum);
  return old;
}

Tensors batch_normalization(const KernelInputs& in) {
  const TensorType type = output_type(in, infer);
  const double epsilon = in.node.float_or("epsilon", 1e-5f);
  std::vector<double> y = in[0].to_vector<double>();
  const auto scale = in[1].to_vector<double>();
  const auto bias = in[2].to_vector<double>();
  Statistics statistics{in[3].to_vector<double>(), in[4].to_vector<double>()};
  const size_t channels = scale.size();
  size_t plane = 1;
  for (size_t i = 2; i < type.shape.size(); ++i) plane *= static_cast<size_t>(type.shape[i]);
  Tensors results(1);
  if (in.node.int_or("training_mode", 0)) {
    const double momentum = in.node.float_or("momentum", 0.9f);
    const Statistics batch = batch_statistics(y, channels, plane);
    results.push_back(stored(in[3].dtype(), in[3].shape(),
                             running_average(statistics.mean, batch.mean, momentum)));
    results.push_back(stored(in[4].dtype(), in[4].shape(),
                             running_average(statistics.variance, batch.variance, momentum)));
    statistics = batch;
  }
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t c = i / plane % channels;
    y[i] = (y[i] - statistics.mean[c]) / std::sqrt(statistics.variance[c] + epsilon) * scale[c] +
           bias[c];
  }
  results[0] = stored(type.dtype, type.shape, y);
  return results;
}

HALFTONE_REGISTER(GraphOp, "BatchNormalization", infer, batch_normalization);

}  // namespace
}  // namespace halftone

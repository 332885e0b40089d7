// Resize, axis by axis: every output position is a weighted sum of a few input positions.
#include "halftone/graph/ops/resize.h"

#include <ATen/ATen.h>

#include "halftone/nn/ops/reference.h"
#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

// The taps of an axis, those of a kind together: [taps][output].
struct AxisTaps {
  std::vector<std::vector<int64_t>> positions;
  std::vector<std::vector<double>> weights;
};

// nullopt where a position lies outside of what is resampled and is extrapolated.
std::optional<AxisTaps> axis_taps(const ResampledAxis& axis, const ResamplingOptions& options) {
  AxisTaps result;
  const auto length = static_cast<size_t>(axis.output);
  for (size_t o = 0; o < length; ++o) {
    const std::vector<Tap> taps = taps_of(axis, static_cast<int64_t>(o), options);
    if (taps.empty()) return std::nullopt;
    if (result.positions.size() < taps.size()) {
      result.positions.resize(taps.size(), std::vector<int64_t>(length, 0));
      result.weights.resize(taps.size(), std::vector<double>(length, 0));
    }
    for (size_t k = 0; k < taps.size(); ++k) {
      result.positions[k][o] = taps[k].position;
      result.weights[k][o] = taps[k].weight;
    }
  }
  return result;
}

at::Tensor resampled(const at::Tensor& x, int64_t axis, const AxisTaps& taps, bool is_nearest) {
  std::vector<int64_t> along(static_cast<size_t>(x.dim()), 1);
  along[static_cast<size_t>(axis)] = -1;
  at::Tensor y;
  for (size_t k = 0; k < taps.positions.size(); ++k) {
    const at::Tensor positions = at::tensor(taps.positions[k], at::TensorOptions(at::kLong));
    const at::Tensor picked = at::index_select(x, axis, positions.to(x.device()));
    if (is_nearest) return picked;
    const at::Tensor weights = at::tensor(taps.weights[k], at::TensorOptions(at::kDouble));
    const at::Tensor part = picked * weights.to(x.options()).reshape(along);
    y = y.defined() ? y + part : part;
  }
  return y;
}

// Integers are truncated after interpolation, as the reference kernel does.
NnOutputs resize(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const ResamplingOptions options = resampling_options(in.node);
  const bool is_nearest = options.mode == "nearest";
  if (!is_nearest && !x.is_floating_point()) return via_reference(in);
  Tensors arguments(in.values.size());
  std::vector<const Tensor*> values(in.values.size(), nullptr);
  for (size_t i = 1; i < in.values.size(); ++i)
    if (in.has(i)) values[i] = &(arguments[i] = from_torch(in[i]));
  const KernelInputs without_x{in.node, values};
  const Shape input = x.sizes().vec();
  const auto axes = resampled_axes(without_x, input, resized_shape(without_x, input));
  at::Tensor y = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].stays()) continue;
    if (axes[i].input == 0) return via_reference(in);
    const auto taps = axis_taps(axes[i], options);
    if (!taps) return via_reference(in);
    y = resampled(y, static_cast<int64_t>(i), *taps, is_nearest);
  }
  return {y};
}

HALFTONE_REGISTER(NnOp, "Resize", or_reference<resize>);

}  // namespace
}  // namespace halftone

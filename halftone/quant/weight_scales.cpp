#include "halftone/quant/weight_scales.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "halftone/quant/quant_tensor.h"

namespace halftone {
namespace {

double squared_error(std::span<const float> values, float scale, CodeRange range) {
  double total = 0;
  for (float x : values) {
    const double error = static_cast<double>(x) - dequantize(quantize(x, scale, 0, range), scale, 0);
    total += error * error;
  }
  return total;
}

// s <- <w, q> / <q, q>: the best scale for the codes that s gives (then the codes change; a few rounds settle).
float refined(std::span<const float> values, float scale, CodeRange range) {
  double products = 0, squares = 0;
  for (float x : values) {
    const double code = quantize(x, scale, 0, range);
    products += static_cast<double>(x) * code;
    squares += code * code;
  }
  return squares > 0 && products > 0 ? static_cast<float>(products / squares) : scale;
}

float least_error_scale(std::span<const float> values, float magnitude, CodeRange range) {
  // The largest magnitude must be reachable on the longer side of an asymmetric code range ({-2..1} at 2 bits).
  const float widest = magnitude / static_cast<float>(std::max(1, range.qmax));
  float best = widest;
  double least = squared_error(values, best, range);
  auto consider = [&](float scale) {
    if (scale <= 0) return;
    const double error = squared_error(values, scale, range);
    if (error < least) least = error, best = scale;
  };
  for (int i = 99; i >= 20; --i) consider(widest * static_cast<float>(i) / 100.0f);
  for (int round = 0; round < 3; ++round) consider(refined(values, best, range));
  return best;
}

float scale_of(std::span<const float> values, int bits, CodeRange range, WeightScale how) {
  if (bits == 1) {  // s * sign(w): the mean magnitude has the least error
    double sum = 0;
    for (float x : values) sum += std::fabs(static_cast<double>(x));
    return std::max(1e-8f, static_cast<float>(sum / static_cast<double>(std::max<size_t>(1, values.size()))));
  }
  const MinMax extremes = min_max(values);
  const float magnitude = std::max(-extremes.min, extremes.max);
  if (how == WeightScale::kMinMax || magnitude == 0) return symmetric_scale(magnitude, range);
  return std::max(1e-8f, least_error_scale(values, magnitude, range));
}

}  // namespace

QuantParams weight_params(const Tensor& weight, int axis, int bits, CodeRange range, WeightScale how,
                          std::string_view name) {
  const auto values = weight.to_vector<float>();
  require_finite(values, name);
  const size_t channels = axis < 0 ? 1 : static_cast<size_t>(weight.shape().at(static_cast<size_t>(axis)));
  std::vector<std::vector<float>> grouped(channels);
  each_channel_run(weight.shape(), axis, [&](size_t first, size_t count, size_t channel) {
    grouped[channel].insert(grouped[channel].end(), values.begin() + static_cast<int64_t>(first),
                            values.begin() + static_cast<int64_t>(first + count));
  });
  QuantParams params{{}, std::vector<int32_t>(channels, 0), axis, bits, range};
  for (const auto& group : grouped) params.scales.push_back(scale_of(group, bits, range, how));
  return params;
}

}  // namespace halftone

#include "halftone/quant/weight_scales.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "halftone/quant/quant_tensor.h"

namespace halftone {
namespace {

// Of a symmetric weight's scales, or with its zero point.
double squared_error(std::span<const float> values, float scale, CodeRange range,
                     int32_t zero_point = 0) {
  double total = 0;
  for (float x : values) {
    const double error = static_cast<double>(x) -
                         dequantize(quantize(x, scale, zero_point, range), scale, zero_point);
    total += error * error;
  }
  return total;
}

// s <- <w, q> / <q, q>: the best scale for the codes that s gives (then the codes change; a few
// rounds settle).
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
  // The largest magnitude must be reachable on the longer side of an asymmetric code range ({-2..1}
  // at 2 bits).
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

double mean_magnitude(std::span<const float> values) {
  double sum = 0;
  for (float x : values) sum += std::fabs(static_cast<double>(x));
  return sum / static_cast<double>(std::max<size_t>(1, values.size()));
}

float scale_of(std::span<const float> values, int bits, CodeRange range, WeightScale how) {
  // s * sign(w): the mean magnitude has the least error
  if (bits == 1) return std::max(1e-8f, static_cast<float>(mean_magnitude(values)));
  const MinMax extremes = min_max(values);
  const float magnitude = std::max(-extremes.min, extremes.max);
  if (how == WeightScale::kMinMax || magnitude == 0) return symmetric_scale(magnitude, range);
  if (how == WeightScale::kMeanMagnitude)
    return std::max(
        1e-8f, static_cast<float>(2 * mean_magnitude(values) / std::sqrt(std::max(1, range.qmax))));
  return std::max(1e-8f, least_error_scale(values, magnitude, range));
}

// Scale and zero point of the range of the values, or of the shrunk range with the least error.
QuantParams affine_scale_of(std::span<const float> values, Width width, WeightScale how) {
  const MinMax extremes = min_max(values);
  QuantParams best = affine_params(extremes.min, extremes.max, width.bits, width.range);
  if (how != WeightScale::kMse) return best;
  double least = squared_error(values, best.scales[0], width.range, best.zero_points[0]);
  for (int i = 99; i >= 20; --i) {
    const float share = static_cast<float>(i) / 100.0f;
    const QuantParams shrunk =
        affine_params(extremes.min * share, extremes.max * share, width.bits, width.range);
    const double error =
        squared_error(values, shrunk.scales[0], width.range, shrunk.zero_points[0]);
    if (error < least) least = error, best = shrunk;
  }
  return best;
}

}  // namespace

QuantParams weight_params(const Tensor& weight, int axis, int bits, CodeRange range,
                          WeightScale how, std::string_view name) {
  return fitted({{}, {}, axis, bits, range}, weight, {.at_8_bits = how, .below = how}, name);
}

QuantParams fitted(QuantParams grid, const Tensor& weight, const WeightRule& rule,
                   std::string_view name) {
  const auto values = weight.to_vector<float>();
  require_finite(values, name);
  const auto scales = static_cast<size_t>(element_count(scale_shape(weight.shape(), grid)));
  std::vector<std::vector<float>> grouped(scales);
  each_scale_run(weight.shape(), grid, [&](size_t first, size_t count, size_t scale) {
    grouped[scale].insert(grouped[scale].end(), values.begin() + static_cast<int64_t>(first),
                          values.begin() + static_cast<int64_t>(first + count));
  });
  grid.scales.assign(scales, 1.0f);
  grid.zero_points.assign(scales, 0);
  for (size_t i = 0; i < scales; ++i) {
    const Width width = grid.width_at(i);
    const WeightScale how = width.bits >= 8 ? rule.at_8_bits : rule.below;
    if (rule.is_affine) {
      const QuantParams found = affine_scale_of(grouped[i], width, how);
      grid.scales[i] = found.scales[0];
      grid.zero_points[i] = found.zero_points[0];
    } else {
      grid.scales[i] = scale_of(grouped[i], width.bits, width.range, how);
    }
  }
  return grid;
}

}  // namespace halftone

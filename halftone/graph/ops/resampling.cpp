#include "halftone/graph/ops/resampling.h"

#include <algorithm>
#include <cmath>

#include "halftone/base/error.h"

namespace halftone {
namespace {

void require_known(const char* attribute, const std::string& value,
                   std::initializer_list<const char*> known) {
  if (std::ranges::find(known, value) != known.end()) return;
  std::string names;
  for (const char* name : known) names += text(names.empty() ? "" : ", ", name);
  throw Error(attribute, " is '", value, "'; known are ", names);
}

// Where output position `at` lies in the input's coordinates.
double input_coordinate(const ResampledAxis& axis, int64_t at, const std::string& mode) {
  const auto x = static_cast<double>(at), length = static_cast<double>(axis.input);
  // With scales given, ONNX measures by the exact length, which the output's is rounded down from.
  const double output_length = axis.scale * length;
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "align_corners")
    return output_length == 1 ? 0 : x * (length - 1) / (output_length - 1);
  if (mode == "pytorch_half_pixel" && output_length == 1) return -0.5;
  if (mode == "tf_crop_and_resize") {
    const double region = (axis.roi_end - axis.roi_begin) * (length - 1);
    return axis.roi_begin * (length - 1) +
           (output_length == 1 ? region / 2 : x * region / (output_length - 1));
  }
  double offset = 0;
  if (mode == "half_pixel_symmetric")
    offset = length / 2 * (1 - static_cast<double>(axis.output) / output_length);
  return offset + (x + 0.5) / axis.scale - 0.5;
}

double nearest_position(double x, const std::string& mode) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_floor" ? std::ceil(x - 0.5) : std::floor(x + 0.5);
}

double linear_weight(double distance) { return std::max(0.0, 1 - std::fabs(distance)); }

// Keys' cubic convolution kernel.
double cubic_weight(double distance, double a) {
  const double d = std::fabs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

}  // namespace

ResamplingOptions resampling_options(const Node& node) {
  ResamplingOptions result{
      .mode = node.string_or("mode", "nearest"),
      .coordinates = node.string_or("coordinate_transformation_mode", "half_pixel"),
      .nearest_mode = node.string_or("nearest_mode", "round_prefer_floor"),
      .cubic_coefficient = node.float_or("cubic_coeff_a", -0.75f),
      .is_antialiased = node.int_or("antialias", 0) != 0,
      .excludes_outside = node.int_or("exclude_outside", 0) != 0,
  };
  require_known("mode", result.mode, {"nearest", "linear", "cubic"});
  require_known("nearest_mode", result.nearest_mode,
                {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  require_known("coordinate_transformation_mode", result.coordinates,
                {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                 "asymmetric", "tf_crop_and_resize"});
  return result;
}

std::vector<Tap> taps_of(const ResampledAxis& axis, int64_t output,
                         const ResamplingOptions& options) {
  const double x = input_coordinate(axis, output, options.coordinates);
  const auto last = static_cast<double>(axis.input - 1);
  if (options.coordinates == "tf_crop_and_resize" && (x < 0 || x > last)) return {};
  const auto clamped = [&](double at) { return static_cast<int64_t>(std::clamp(at, 0.0, last)); };
  if (options.mode == "nearest") return {{clamped(nearest_position(x, options.nearest_mode)), 1}};
  // An antialiased kernel is stretched to cover what shrinks into one output.
  const double stretch = options.is_antialiased ? std::min(axis.scale, 1.0) : 1;
  const double reach = (options.mode == "linear" ? 1 : 2) / stretch;
  std::vector<Tap> taps;
  double sum = 0;
  // Beyond the axis every position reads its end: no need to go further than a kernel's width
  // outside.
  const double begin = std::max(std::ceil(x - reach), -reach - 1),
               end = std::min(x + reach, last + reach + 1);
  for (double at = begin; at <= end; ++at) {
    if (options.excludes_outside && (at < 0 || at > last)) continue;
    const double distance = (x - at) * stretch;
    const double weight = options.mode == "linear"
                              ? linear_weight(distance)
                              : cubic_weight(distance, options.cubic_coefficient);
    if (weight == 0) continue;
    taps.push_back({clamped(at), weight});
    sum += weight;
  }
  for (Tap& tap : taps) tap.weight /= sum;
  return taps;
}

}  // namespace halftone

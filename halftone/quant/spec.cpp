#include "halftone/quant/spec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace halftone {
namespace {

constexpr std::array<std::pair<Scheme, const char*>, 6> kSchemes{{
    {Scheme::kAffine, "affine"},
    {Scheme::kSymmetric, "symmetric"},
    {Scheme::kBinary, "binary"},
    {Scheme::kTernary, "ternary"},
    {Scheme::kPowerOfTwo, "power_of_two"},
    {Scheme::kCodebook, "codebook"},
}};

constexpr float kLeastScale = 1e-8f;

}  // namespace

std::string to_string(Scheme scheme) {
  for (const auto& [known, name] : kSchemes)
    if (known == scheme) return name;
  return "?";
}

std::optional<Scheme> scheme_from(const std::string& name) {
  for (const auto& [scheme, known] : kSchemes)
    if (known == name) return scheme;
  return std::nullopt;
}

CodeRange full_range(int bits, bool is_signed) {
  if (is_signed) return {-(1 << (bits - 1)), (1 << (bits - 1)) - 1};
  return {0, static_cast<int32_t>((1u << bits) - 1)};
}

double QuantParams::mean_bits() const {
  if (channels.empty()) return bits;
  double total = 0;
  for (const Width& width : channels) total += width.bits;
  return total / static_cast<double>(channels.size());
}

void set_channel_widths(QuantParams& params, std::vector<Width> widths) {
  params.bits = widths.at(0).bits;
  params.range = widths[0].range;
  params.channels.clear();
  const bool differ =
      std::ranges::any_of(widths, [&](const Width& width) { return width != widths[0]; });
  for (const Width& width : widths) {
    params.bits = std::max(params.bits, width.bits);
    params.range = {std::min(params.range.qmin, width.range.qmin),
                    std::max(params.range.qmax, width.range.qmax)};
  }
  if (differ) params.channels = std::move(widths);
}

QuantParams affine_params(float low, float high, int bits, CodeRange range) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  QuantParams params{{1.0f}, {0}, -1, bits, range};
  if (low < high) {
    // In double, so that a range near the largest float does not overflow.
    const double steps = range.qmax - range.qmin;
    params.scales[0] =
        std::max(kLeastScale, static_cast<float>((static_cast<double>(high) - low) / steps));
  }
  const float below = std::nearbyint(low / params.scales[0]);
  params.zero_points[0] =
      std::clamp(range.qmin - static_cast<int32_t>(below), range.qmin, range.qmax);
  return params;
}

float symmetric_scale(float magnitude, CodeRange range) {
  if (magnitude == 0) return 1.0f;
  return std::max(kLeastScale, magnitude / static_cast<float>(range.qmax));
}

float largest_scale(float limit, CodeRange range) {
  const auto levels = static_cast<float>(range.qmax - range.qmin);
  float scale = limit / levels;
  while (levels * scale > limit) scale = std::nextafter(scale, 0.0f);
  return scale;
}

}  // namespace halftone

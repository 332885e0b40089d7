#include "halftone/ptq/normal_moments.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace halftone {
namespace {

double density(double z) { return std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi); }
double below(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }
// z * density(z), which is 0 at both infinities.
double weighted_density(double z) { return std::isinf(z) ? 0 : z * density(z); }
// value * share, where an end at infinity has no share.
double part(double value, double share) { return share == 0 ? 0 : value * share; }

}  // namespace

Moments clipped_normal(double mean, double deviation, double low, double high) {
  if (deviation <= 0) return {std::clamp(mean, low, high), 0};
  const double a = (low - mean) / deviation, b = (high - mean) / deviation;
  const double inside = below(b) - below(a), under = below(a), over = below(-b);
  const double slope = density(a) - density(b);
  const double first = deviation * slope + mean * inside + part(low, under) + part(high, over);
  const double second =
      mean * mean * inside + 2 * mean * deviation * slope +
      deviation * deviation * (inside + weighted_density(a) - weighted_density(b)) +
      part(low * low, under) + part(high * high, over);
  return {first, std::max(0.0, second - first * first)};
}

}  // namespace halftone

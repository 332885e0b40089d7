#include "halftone/quant/numeric.h"

#include <algorithm>
#include <array>

#include "halftone/base/error.h"

namespace halftone {

[[gnu::target_clones("avx2", "default")]]
MinMax min_max(std::span<const float> values) {
  if (values.empty()) return {};
  // Sixteen running results, so that the compiler can use vector minimum and maximum. x * 0 is NaN for NaN and infinity.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> low, high, poison{};
  low.fill(values[0]);
  high.fill(values[0]);
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t k = 0; k < kLanes; ++k) {
      const float x = values[i + k];
      low[k] = x < low[k] ? x : low[k];
      high[k] = x > high[k] ? x : high[k];
      poison[k] += x * 0.0f;
    }
  MinMax result{*std::ranges::min_element(low), *std::ranges::max_element(high), true};
  for (float p : poison) result.all_finite = result.all_finite && p == 0.0f;
  for (; i < values.size(); ++i) {
    result.min = std::min(result.min, values[i]);
    result.max = std::max(result.max, values[i]);
    result.all_finite = result.all_finite && std::isfinite(values[i]);
  }
  return result;
}

void require_finite(std::span<const float> values, std::string_view tensor) {
  if (min_max(values).all_finite) return;
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw Error("tensor '", tensor, "' holds ", values[i], " at position ", i,
                  ": quantization needs finite values; repair the model or the data");
}

}  // namespace halftone

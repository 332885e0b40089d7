#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/quant/min_max.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "halftone/quant/numeric.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
constexpr Floats kFloats;

// One of several running results: minimum and maximum depend on the step before, so that a single
// one would wait for itself.
struct Running {
  hn::Vec<Floats> low, high,
      poison = hn::Zero(kFloats);  // poison: NaN from the first NaN or infinity on

  explicit Running(float first) : low(hn::Set(kFloats, first)), high(low) {}

  HWY_INLINE void add(hn::Vec<Floats> x) {
    low = hn::Min(low, x);
    high = hn::Max(high, x);
    poison = hn::MulAdd(x, hn::Zero(kFloats), poison);
  }
  HWY_INLINE void add(const Running& other) {
    low = hn::Min(low, other.low);
    high = hn::Max(high, other.high);
    poison = hn::Add(poison, other.poison);
  }
};

MinMax min_max(std::span<const float> values) {
  if (values.empty()) return {};
  const size_t lanes = hn::Lanes(kFloats);
  Running a(values[0]), b(values[0]), c(values[0]), d(values[0]);
  size_t i = 0;
  for (; i + 4 * lanes <= values.size(); i += 4 * lanes) {
    const float* x = values.data() + i;
    a.add(hn::LoadU(kFloats, x));
    b.add(hn::LoadU(kFloats, x + lanes));
    c.add(hn::LoadU(kFloats, x + 2 * lanes));
    d.add(hn::LoadU(kFloats, x + 3 * lanes));
  }
  a.add(b), c.add(d), a.add(c);
  MinMax result{hn::GetLane(hn::MinOfLanes(kFloats, a.low)),
                hn::GetLane(hn::MaxOfLanes(kFloats, a.high)),
                hn::GetLane(hn::SumOfLanes(kFloats, a.poison)) == 0.0f};
  for (; i < values.size(); ++i) {
    result.min = std::min(result.min, values[i]);
    result.max = std::max(result.max, values[i]);
    result.all_finite = result.all_finite && std::isfinite(values[i]);
  }
  return result;
}

}  // namespace halftone::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halftone {

HWY_EXPORT(min_max);
MinMax min_max(std::span<const float> values) { return HWY_DYNAMIC_DISPATCH(min_max)(values); }

}  // namespace halftone
#endif

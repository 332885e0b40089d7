#include "halftone/runtime/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/base/rng.h"
#include "halftone/runtime/layout.h"

namespace halftone::runtime {
namespace {

TEST(MemoryPlan, KeepsLiveValuesApartAndIsNoSmallerThanTheLargestStep) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    std::vector<Lifetime> values(1 + rng.below(40));
    for (Lifetime& value : values) {
      value.bytes = 1 + rng.below(5000);
      value.first = static_cast<int>(rng.below(20));
      value.last = value.first + static_cast<int>(rng.below(6));
    }
    const MemoryPlan plan = plan_memory(values);
    size_t all = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      all += aligned(values[i].bytes);
      EXPECT_EQ(plan.offsets[i] % kAlignment, 0u);
      EXPECT_LE(plan.offsets[i] + values[i].bytes, plan.bytes);
      for (size_t k = 0; k < i; ++k) {
        const bool live_together =
            values[i].first <= values[k].last && values[k].first <= values[i].last;
        const bool share_bytes = plan.offsets[i] < plan.offsets[k] + values[k].bytes &&
                                 plan.offsets[k] < plan.offsets[i] + values[i].bytes;
        EXPECT_FALSE(live_together && share_bytes) << "seed " << seed;
      }
    }
    EXPECT_LE(plan.bytes, all);
    for (int step = 0; step < 26; ++step) {
      size_t live = 0;
      for (const Lifetime& value : values)
        live += value.first <= step && step <= value.last ? value.bytes : 0;
      EXPECT_GE(plan.bytes, live);
    }
  }
}

TEST(MemoryPlan, ReusesWhatIsFree) {
  const MemoryPlan plan = plan_memory({{640, 0, 1}, {640, 1, 2}, {640, 2, 3}, {640, 3, 4}});
  EXPECT_EQ(plan.bytes, 1280u);
}

}  // namespace
}  // namespace halftone::runtime

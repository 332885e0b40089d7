#include "halftone/quant/observer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "halftone/base/rng.h"
#include "halftone/quant/histogram.h"

namespace halftone {
namespace {

double gaussian(Rng& rng) {
  return std::sqrt(-2 * std::log(1 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform());
}

std::vector<float> gaussians(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(gaussian(rng));
  return values;
}

Range range_of(const std::string& kind, const std::vector<std::vector<float>>& batches,
               RangeRequest request = {}) {
  auto total = Registry<ObserverKind>::get(kind).make();
  for (const auto& batch : batches) {
    auto one = Registry<ObserverKind>::get(kind).make();
    one->observe(batch, min_max(batch));
    total->merge(*one);
  }
  return total->range(request);
}

TEST(Observers, AllAreRegistered) {
  for (const char* name :
       {"minmax", "ema", "avg-minmax", "percentile", "mse", "best", "entropy", "mean-magnitude"})
    EXPECT_NE(Registry<ObserverKind>::find(name), nullptr);
}

TEST(Observers, DoNotDependOnTheSplitOfTheStream) {
  const auto values = gaussians(10000, 1);
  for (const char* kind : {"minmax", "percentile", "mse", "best", "entropy"}) {
    const Range whole = range_of(kind, {values});
    for (size_t part : {size_t{1}, size_t{77}, size_t{5000}}) {
      if (part == 1 && std::string(kind) != "minmax") continue;
      std::vector<std::vector<float>> batches;
      for (size_t i = 0; i < values.size(); i += part)
        batches.emplace_back(values.begin() + static_cast<long>(i),
                             values.begin() + static_cast<long>(std::min(i + part, values.size())));
      const Range split = range_of(kind, batches);
      EXPECT_EQ(whole.low, split.low) << kind;
      EXPECT_EQ(whole.high, split.high) << kind;
    }
  }
}

TEST(Observers, AverageOfExtremesCountsEveryBatchAlike) {
  const Range range = range_of("avg-minmax", {{-1, 2}, {-4, 3, 0}, {1, 7}, {}});
  EXPECT_FLOAT_EQ(range.low, -4.0f / 3);
  EXPECT_FLOAT_EQ(range.high, 4);
}

TEST(Observers, MovingAverageIsMergedAsIfSeenInOrder) {
  auto observer = Registry<ObserverKind>::get("ema").make();
  auto first = Registry<ObserverKind>::get("ema").make(),
       second = Registry<ObserverKind>::get("ema").make();
  double low = 0, high = 0;
  for (int i = 0; i < 10; ++i) {
    const std::vector<float> batch{static_cast<float>(-1 - i), static_cast<float>(2 + i * i)};
    observer->observe(batch, min_max(batch));
    (i < 4 ? first : second)->observe(batch, min_max(batch));
    low = i ? 0.99 * low + 0.01 * batch[0] : batch[0];
    high = i ? 0.99 * high + 0.01 * batch[1] : batch[1];
  }
  first->merge(*second);
  for (const Observer* o : {observer.get(), first.get()}) {
    EXPECT_NEAR(o->range({}).low, low, 1e-5);
    EXPECT_NEAR(o->range({}).high, high, 1e-5);
  }
}

// s = 2 mean|x| / sqrt(qmax).
TEST(Observers, MeanMagnitudeGivesTheFirstStepOfLsq) {
  const Range positive = range_of("mean-magnitude", {{1, 2}, {3, 6}}, {.bits = 2});
  EXPECT_EQ(positive.low, 0);
  EXPECT_NEAR(positive.high / 3, 2 * 3 / std::sqrt(3.0), 1e-6);
  const Range both = range_of("mean-magnitude", {{-1, 2}, {3, -6}}, {.bits = 4});
  EXPECT_EQ(both.low, -both.high);
  EXPECT_NEAR(both.high / 7, 2 * 3 / std::sqrt(7.0), 1e-6);
}

TEST(Observers, ContainZeroAndAcceptConstants) {
  for (const auto& [name, kind] : Registry<ObserverKind>::all()) {
    for (float constant : {0.0f, 3.0f, -2.5f, 1e-30f}) {
      auto observer = kind.make();
      const std::vector<float> values(100, constant);
      observer->observe(values, min_max(values));
      const Range range = observer->range({});
      EXPECT_LE(range.low, 0) << name;
      EXPECT_GE(range.high, 0) << name;
      // LSQ's first step knows the mean alone, and reaches beyond what was seen.
      const float highest = std::max(0.0f, constant) * 1.01f;
      EXPECT_TRUE(range.high <= highest || name == "mean-magnitude") << name;
    }
    EXPECT_THROW(kind.make()->range({}), Error) << name;
  }
}

TEST(Observers, OneOutlierMovesMinMaxAndNotPercentile) {
  auto values = gaussians(100000, 2);
  values.push_back(1e6f);
  EXPECT_EQ(range_of("minmax", {values}).high, 1e6f);
  EXPECT_LT(range_of("percentile", {values}).high, 2000.0f);
}

TEST(Observers, LeastErrorClipsMoreTheFewerTheBits) {
  const auto values = gaussians(200000, 3);
  float before = 1e9f;
  for (int bits : {8, 6, 4, 3, 2}) {
    const Range range = range_of("mse", {values}, {.bits = bits, .is_symmetric = true});
    EXPECT_LT(range.high, before) << bits;
    EXPECT_FLOAT_EQ(range.low, -range.high);
    before = range.high;
  }
}

TEST(Observers, EntropyChoosesInsideForTailsAndTheEndForUniform) {
  Rng rng(4);
  std::vector<float> tail(200000), flat(200000);
  for (float& x : tail) x = static_cast<float>(-std::log(1 - rng.uniform()));
  for (float& x : flat) x = static_cast<float>(rng.uniform());
  const float largest = *std::max_element(tail.begin(), tail.end());
  EXPECT_LT(range_of("entropy", {tail}).high, 0.95f * largest);
  EXPECT_GT(range_of("entropy", {flat}).high, 0.97f);
}

TEST(Histogram, MergesDifferentWidthsAsOne) {
  const auto small = gaussians(5000, 5);
  auto large = gaussians(5000, 6);
  for (float& x : large) x *= 300;
  Histogram a, b, both;
  a.add(small, min_max(small));
  b.add(large, min_max(large));
  both.add(small, min_max(small));
  both.add(large, min_max(large));
  Histogram ab = a, ba = b;
  ab.merge(b);
  ba.merge(a);
  for (const Histogram& merged : {ab, ba}) {
    ASSERT_EQ(merged.count(), both.count());
    ASSERT_EQ(merged.bin_width(), both.bin_width());
    const auto x = merged.bins(), y = both.bins();
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i].count, y[i].count);
  }
}

}  // namespace
}  // namespace halftone

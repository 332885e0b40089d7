#include "halftone/quant/fake_quantize.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <vector>

#include "halftone/base/rng.h"

namespace halftone {
namespace {

std::vector<float> random_values(size_t count, float reach, Rng& rng) {
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(rng.uniform() * 2 - 1) * reach;
  return values;
}

std::vector<FakeQuantizer> quantizers() {
  return {{0.1f, 0, {0, 1}},     {0.37f, 0, {-2, 1}},    {0.01f, 0, {-8, 7}},
          {0.05f, 7, {0, 15}},   {0.02f, 128, {0, 255}}, {0.003f, 0, {-64, 64}},
          {1.0f / 3, 3, {0, 7}}, {1e-3f, 0, {0, 65535}}};
}

// The same on every instruction set that this CPU has.
template <typename Check>
void on_every_target(const Check& check) {
  for (const int64_t target : {HWY_EMU128, HWY_SSSE3, HWY_SSE4, HWY_AVX2, HWY_AVX3}) {
    if (!(hwy::SupportedTargets() & target)) continue;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
    hwy::SetSupportedTargetsForTest(0);
  }
}

TEST(FakeQuantize, EqualsTheContractBitForBit) {
  on_every_target([] {
    Rng rng(1, "contract");
    for (const FakeQuantizer& q : quantizers()) {
      auto x = random_values(1003, q.scale * static_cast<float>(q.range.levels()), rng);
      for (int i = -20; i < 20; ++i) x.push_back(q.scale * (static_cast<float>(i) + 0.5f));  // ties
      x.insert(x.end(), {0.0f, -0.0f, 1e30f, -1e30f, 1e-40f});
      std::vector<float> y(x.size());
      fake_quantize(x, q, y.data());
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(y[i],
                  dequantize(quantize(x[i], q.scale, q.zero_point, q.range), q.scale, q.zero_point))
            << x[i];
    }
  });
}

TEST(FakeQuantize, GradientIsTheDefinition) {
  on_every_target([] {
    Rng rng(2, "gradient");
    for (const FakeQuantizer& q : quantizers()) {
      const auto x = random_values(2500, q.scale * static_cast<float>(q.range.levels()), rng);
      const auto grad_y = random_values(2500, 1, rng);
      std::vector<float> grad_x(x.size());
      const FakeQuantizeSums sums = fake_quantize_backward(x, grad_y, q, grad_x.data());
      double wanted = 0, size = 0, below = 0, above = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const float steps = x[i] / q.scale, low = static_cast<float>(q.range.qmin - q.zero_point),
                    high = static_cast<float>(q.range.qmax - q.zero_point);
        const bool inside = steps >= low && steps <= high;
        const float part = !inside ? (steps < low ? low : high) : std::nearbyint(steps) - steps;
        wanted += static_cast<double>(grad_y[i] * part);
        size += static_cast<double>(std::fabs(grad_y[i] * part));
        if (steps < low) below += static_cast<double>(grad_y[i]);
        if (steps > high) above += static_cast<double>(grad_y[i]);
        ASSERT_EQ(grad_x[i], inside ? grad_y[i] : 0.0f);
      }
      EXPECT_NEAR(sums.scale, wanted, 1e-5 * size);
      EXPECT_NEAR(sums.low, below, 1e-5 * 2500);
      EXPECT_NEAR(sums.high, above, 1e-5 * 2500);
    }
  });
}

TEST(FakeQuantize, KeepsTheShareAskedForAndTheSameElementsForwardAndBackward) {
  std::vector<float> of_first_target;
  on_every_target([&] {
    Rng rng(3, "keep");
    const FakeQuantizer q{0.25f, 0, {-2, 1}};
    const auto x = random_values(100003, 0.9f, rng);
    const std::vector<float> ones(x.size(), 1.0f);
    std::vector<float> y(x.size()), all(x.size()), grad_x(x.size()), chosen(x.size());
    const Keep keep{.probability = 0.3f, .seed = 77};
    fake_quantize(x, q, all.data());
    fake_quantize(x, q, y.data(), keep);
    fake_quantize_backward(x, ones, q, grad_x.data(), keep);
    choose_kept(all, x, chosen.data(), keep);
    EXPECT_EQ(y, chosen);
    size_t kept = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      kept += y[i] == all[i];
      if (y[i] != all[i]) {
        ASSERT_EQ(grad_x[i], 1.0f) << "what is dropped passes the gradient";
      }
    }
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(x.size()), 0.3, 0.01);
    if (of_first_target.empty()) of_first_target = y;
    EXPECT_EQ(y, of_first_target) << "every instruction set keeps the same elements";
    fake_quantize(x, q, chosen.data(), {.probability = 0.3f, .seed = 78});
    EXPECT_NE(y, chosen) << "another seed keeps others";
  });
}

TEST(FakeQuantize, ShowsNotANumber) {
  on_every_target([] {
    const std::vector<float> x(37, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> y(x.size());
    fake_quantize(x, {0.5f, 0, {0, 3}}, y.data());
    for (float value : y) EXPECT_TRUE(std::isnan(value));
  });
}

TEST(FakeQuantize, KeepOfZeroLeavesEverything) {
  Rng rng(4, "none");
  const auto x = random_values(333, 3, rng);
  std::vector<float> y(x.size());
  fake_quantize(x, {0.5f, 0, {0, 3}}, y.data(), {.probability = 0.0f, .seed = 5});
  EXPECT_EQ(x, y);
}

}  // namespace
}  // namespace halftone

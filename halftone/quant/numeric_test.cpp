#include "halftone/quant/numeric.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"

namespace halftone {
namespace {

constexpr CodeRange kUint8{0, 255}, kInt8{-128, 127};

TEST(Numeric, TiesGoToEven) {
  EXPECT_EQ(quantize(0.5f, 1, 0, kInt8), 0);
  EXPECT_EQ(quantize(1.5f, 1, 0, kInt8), 2);
  EXPECT_EQ(quantize(2.5f, 1, 0, kInt8), 2);
  EXPECT_EQ(quantize(-0.5f, 1, 0, kInt8), 0);
  EXPECT_EQ(quantize(-1.5f, 1, 0, kInt8), -2);
  EXPECT_EQ(quantize(-0.0f, 1, 0, kInt8), 0);
}

TEST(Numeric, RoundsBeforeTheZeroPointIsAdded) {
  // 0.5 rounds to 0 and 1.5 to 2; with an odd zero point added first they would round to 4 and 4.
  EXPECT_EQ(quantize(0.5f, 1, 3, kUint8), 3);
  EXPECT_EQ(quantize(1.5f, 1, 3, kUint8), 5);
}

TEST(Numeric, SaturatesForEveryFiniteValue) {
  for (float x : {1e9f, 3e38f, std::numeric_limits<float>::max()}) {
    EXPECT_EQ(quantize(x, 1e-3f, 128, kUint8), 255);
    EXPECT_EQ(quantize(-x, 1e-3f, 128, kUint8), 0);
    EXPECT_EQ(quantize(x, 1e-3f, 0, {-64, 64}), 64);
  }
}

TEST(Numeric, ManyValuesAtOnceEqualOneByOneBitForBit) {
  Rng rng(5);
  for (int round = 0; round < 200; ++round) {
    const float scale = static_cast<float>(std::exp2(rng.uniform() * 12 - 10));
    const bool is_signed = rng.below(2) == 0;
    const CodeRange range = is_signed ? kInt8 : kUint8;
    const int32_t zero_point = range.qmin + static_cast<int32_t>(rng.below(256));
    std::vector<float> values(257);
    for (float& x : values) {
      const double codes = static_cast<double>(rng.below(1200)) - 600;
      x = static_cast<float>(rng.below(2) ? (codes + 0.5) * scale : codes * rng.uniform() * scale);
    }
    std::vector<uint8_t> u(values.size());
    std::vector<int8_t> s(values.size());
    if (is_signed)
      quantize_values<int8_t>(values, scale, zero_point, range, s.data());
    else
      quantize_values<uint8_t>(values, scale, zero_point, range, u.data());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(is_signed ? int32_t{s[i]} : int32_t{u[i]},
                quantize(values[i], scale, zero_point, range))
          << "round " << round << ", x " << values[i] << ", scale " << scale << ", zero point "
          << zero_point;
  }
}

TEST(Numeric, DequantizesManyValuesAsOne) {
  std::vector<int8_t> codes(256);
  std::iota(codes.begin(), codes.end(), int8_t{-128});
  for (int32_t zero_point : {-128, -3, 0, 127}) {
    std::vector<float> values(codes.size());
    dequantize_values<int8_t>(codes, 0.3f, zero_point, values.data());
    for (size_t i = 0; i < codes.size(); ++i)
      ASSERT_EQ(values[i], dequantize(codes[i], 0.3f, zero_point));
  }
}

TEST(Numeric, NamesTheTensorThatIsNotFinite) {
  std::vector<float> values(100, 1.0f);
  EXPECT_NO_THROW(require_finite(values, "w"));
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (size_t at : {size_t{0}, size_t{50}, size_t{99}}) {
      auto broken = values;
      broken[at] = bad;
      try {
        require_finite(broken, "conv1.weight");
        FAIL() << "accepted " << bad;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("conv1.weight"), std::string::npos);
        EXPECT_NE(std::string(error.what()).find(std::to_string(at)), std::string::npos);
      }
    }
}

TEST(Numeric, MinMaxEqualsTheNaiveOne) {
  Rng rng(3);
  for (size_t size : {1u, 15u, 16u, 17u, 1000u}) {
    std::vector<float> values(size);
    for (float& x : values) x = static_cast<float>(rng.uniform() * 2 - 1);
    const MinMax result = min_max(values);
    EXPECT_EQ(result.min, *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(result.max, *std::max_element(values.begin(), values.end()));
    EXPECT_TRUE(result.all_finite);
  }
}

TEST(MinMax, SeesEveryPosition) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (size_t at = 0; at < 200; ++at) {
    std::vector<float> values(200, 0.5f);
    values[at] = -3;
    EXPECT_EQ(min_max(values).min, -3) << at;
    values[at] = 7;
    EXPECT_EQ(min_max(values).max, 7) << at;
    EXPECT_TRUE(min_max(values).all_finite);
    for (float bad : {kInfinity, -kInfinity, std::nanf("")}) {
      values[at] = bad;
      EXPECT_FALSE(min_max(values).all_finite) << at;
    }
  }
}

}  // namespace
}  // namespace halftone

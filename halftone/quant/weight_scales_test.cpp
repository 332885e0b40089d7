#include "halftone/quant/weight_scales.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "halftone/base/rng.h"
#include "halftone/quant/bit_packing.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {
namespace {

Tensor random_weight(Shape shape, uint64_t seed, bool gaussian = true) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& x : values) {
    const double u = rng.uniform();
    x = static_cast<float>(gaussian ? std::sqrt(-2 * std::log(1 - u)) *
                                          std::cos(6.283185307179586 * rng.uniform())
                                    : 2 * u - 1);
  }
  return Tensor::of<float>(std::move(shape), std::move(values));
}

double mean_squared_error(const Tensor& weight, const QuantParams& params) {
  const Tensor back = dequantize_tensor(quantize_tensor(weight, params, "w"));
  const auto x = weight.elements<float>(), y = back.elements<float>();
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i)
    sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
  return sum / static_cast<double>(x.size());
}

TEST(WeightScales, LeastErrorIsNeverWorseThanMinMax) {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (int bits : {2, 3, 4, 6, 8}) {
      const Tensor weight = random_weight({8, 3, 3, 3}, seed);
      const CodeRange range = full_range(bits, true);
      const auto a = weight_params(weight, 0, bits, range, WeightScale::kMinMax, "w");
      const auto b = weight_params(weight, 0, bits, range, WeightScale::kMse, "w");
      EXPECT_LE(mean_squared_error(weight, b), mean_squared_error(weight, a) * (1 + 1e-6))
          << "seed " << seed << ", " << bits;
    }
}

// Errors of the best uniform quantizer of a unit Gaussian, full range (methods/ptq.md, How to
// verify).
TEST(WeightScales, GaussianErrorsAreThePublishedOnes) {
  const Tensor weight = random_weight({1, 200000}, 7);
  for (const auto& [bits, error] :
       std::vector<std::pair<int, double>>{{2, 0.1496}, {3, 0.0407}, {4, 0.01186}, {6, 0.001045}}) {
    const auto params =
        weight_params(weight, -1, bits, full_range(bits, true), WeightScale::kMse, "w");
    EXPECT_NEAR(mean_squared_error(weight, params) / error, 1, 0.05)
        << bits << " bits, scale " << params.scales[0];
  }
}

TEST(WeightScales, MeanMagnitudeGivesTheFirstStepOfLsq) {
  const Tensor weight = Tensor::of<float>({2, 2}, {1, -3, 0.5f, 0.5f});
  const QuantParams params =
      weight_params(weight, 0, 4, full_range(4, true), WeightScale::kMeanMagnitude, "weight");
  EXPECT_FLOAT_EQ(params.scales[0], 2 * 2 / std::sqrt(7.0f));
  EXPECT_FLOAT_EQ(params.scales[1], 2 * 0.5f / std::sqrt(7.0f));
}

TEST(WeightScales, ChannelsOfAnyAxisStandAlone) {
  const Tensor weight = random_weight({4, 5, 6}, 9);
  for (int axis : {0, 1, 2}) {
    const auto params = weight_params(weight, axis, 8, {-127, 127}, WeightScale::kMinMax, "w");
    ASSERT_EQ(params.scales.size(), static_cast<size_t>(weight.shape()[static_cast<size_t>(axis)]));
    std::vector<float> largest(params.scales.size(), 0);
    each_scale_run(weight.shape(), params, [&](size_t first, size_t count, size_t channel) {
      for (size_t i = first; i < first + count; ++i)
        largest[channel] = std::max(largest[channel], std::fabs(weight.elements<float>()[i]));
    });
    for (size_t c = 0; c < largest.size(); ++c) EXPECT_FLOAT_EQ(params.scales[c], largest[c] / 127);
  }
}

TEST(WeightScales, ChannelsOfSeveralWidthsAreFittedAsIfAlone) {
  const Tensor weight = random_weight({8, 3, 3}, 10);
  std::vector<Width> widths;
  for (int bits = 1; bits <= 8; ++bits)
    widths.push_back({bits, bits == 1 ? CodeRange{-1, 1} : full_range(bits, true)});
  QuantParams grid{{}, {}, 0, 8, {}};
  set_channel_widths(grid, widths);
  EXPECT_EQ(grid.mean_bits(), 4.5);
  const WeightRule rule{.at_8_bits = WeightScale::kMinMax, .below = WeightScale::kMse};
  const QuantTensor together = quantize_tensor(weight, fitted(grid, weight, rule, "w"), "w");
  for (size_t c = 0; c < 8; ++c) {
    const auto values = weight.to_vector<float>();
    const Tensor slice = Tensor::of<float>({9}, {values.begin() + static_cast<int64_t>(c * 9),
                                                 values.begin() + static_cast<int64_t>(c * 9 + 9)});
    const auto how = widths[c].bits == 8 ? WeightScale::kMinMax : WeightScale::kMse;
    const QuantTensor alone = quantize_tensor(
        slice, weight_params(slice, -1, widths[c].bits, widths[c].range, how, "w"), "w");
    EXPECT_EQ(alone.params.scales[0], together.params.scales[c]) << widths[c].bits << " bits";
    for (size_t i = 0; i < 9; ++i) EXPECT_EQ(alone.codes[i], together.codes[c * 9 + i]);
  }
}

// The elements of one block, by the definition: index / block along the axis, the same index along
// all others.
TEST(WeightScales, BlocksOfAnyAxisAreFittedAsIfAlone) {
  const Shape shape{5, 4, 7};
  const Tensor weight = random_weight(shape, 12);
  const auto values = weight.to_vector<float>();
  for (int axis : {0, 1, 2})
    for (const bool is_affine : {false, true}) {
      const QuantParams grid{{}, {}, axis, 4, {-8, 7}, {}, 3};
      const QuantTensor blocked = quantize_tensor(
          weight, fitted(grid, weight, {.below = WeightScale::kMse, .is_affine = is_affine}, "w"),
          "w");
      const auto back = dequantize_tensor(blocked).to_vector<float>();
      const Shape scales = scale_shape(shape, blocked.params);
      EXPECT_EQ(scales[static_cast<size_t>(axis)], (shape[static_cast<size_t>(axis)] + 2) / 3);
      std::map<int64_t, std::vector<size_t>> members;
      for (size_t i = 0; i < values.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        std::array<int64_t, 3> index{at / 28, at / 7 % 4, at % 7};
        index[static_cast<size_t>(axis)] /= 3;
        members[(index[0] * scales[1] + index[1]) * scales[2] + index[2]].push_back(i);
      }
      ASSERT_EQ(members.size(), blocked.params.scales.size());
      for (const auto& [scale, elements] : members) {
        std::vector<float> part;
        for (size_t i : elements) part.push_back(values[i]);
        const Tensor alone = Tensor::of<float>({static_cast<int64_t>(part.size())}, part);
        const QuantParams params =
            fitted({{}, {}, -1, 4, {-8, 7}}, alone,
                   {.below = WeightScale::kMse, .is_affine = is_affine}, "w");
        EXPECT_EQ(blocked.params.scales[static_cast<size_t>(scale)], params.scales[0]);
        const auto expected =
            dequantize_tensor(quantize_tensor(alone, params, "w")).to_vector<float>();
        for (size_t k = 0; k < elements.size(); ++k)
          EXPECT_EQ(back[elements[k]], expected[k]) << "axis " << axis;
      }
    }
}

TEST(WeightScales, ZeroPointsSpendAllCodesOnOneSidedValues) {
  Rng rng(13);
  std::vector<float> values(256);
  for (float& x : values) x = static_cast<float>(rng.uniform());
  const Tensor weight = Tensor::of<float>({256}, values);
  const QuantParams grid{{}, {}, -1, 4, {-8, 7}};
  const auto affine = fitted(grid, weight, {.is_affine = true}, "w"),
             symmetric = fitted(grid, weight, {}, "w");
  EXPECT_LT(mean_squared_error(weight, affine), 0.3 * mean_squared_error(weight, symmetric));
}

TEST(WeightScales, DeadChannelsGetScaleOneAndBadOnesTheirName) {
  const auto params = weight_params(Tensor::of<float>({2, 2}, {0, 0, 1, -2}), 0, 8, {-127, 127},
                                    WeightScale::kMse, "w");
  EXPECT_EQ(params.scales[0], 1.0f);
  const Tensor bad = Tensor::of<float>({2}, {1, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_THROW(weight_params(bad, -1, 8, {-127, 127}, WeightScale::kMinMax, "w"), Error);
}

TEST(QuantParams, AffineRangesRepresentZeroAndBothEnds) {
  Rng rng(11);
  for (int round = 0; round < 1000; ++round) {
    const auto low = static_cast<float>(rng.uniform() * 4 - 3),
               high = static_cast<float>(rng.uniform() * 4 - 1);
    const int bits = 2 + static_cast<int>(rng.below(7));
    const QuantParams params = affine_params(low, high, bits, full_range(bits, false));
    const float scale = params.scales[0];
    const int32_t zero_point = params.zero_points[0];
    EXPECT_EQ(dequantize(quantize(0, scale, zero_point, params.range), scale, zero_point), 0.0f);
    for (float end : {std::min(low, 0.0f), std::max(high, 0.0f)})
      EXPECT_NEAR(dequantize(quantize(end, scale, zero_point, params.range), scale, zero_point),
                  end, scale * 0.51f)
          << "round " << round;
  }
}

TEST(BitPacking, UnpackingGivesBackEveryWidth) {
  Rng rng(12);
  for (int bits = 1; bits <= 16; ++bits)
    for (size_t count : {0u, 1u, 7u, 8u, 9u, 1000u})
      for (bool is_signed : {false, true}) {
        std::vector<int32_t> codes(count);
        const CodeRange range = full_range(bits, is_signed);
        for (int32_t& code : codes)
          code =
              range.qmin + static_cast<int32_t>(rng.below(static_cast<uint64_t>(range.levels())));
        const auto bytes = pack_bits(codes, bits);
        EXPECT_EQ(bytes.size(), (count * static_cast<size_t>(bits) + 7) / 8);
        EXPECT_EQ(unpack_bits(bytes, count, bits, is_signed), codes) << bits << " bits";
      }
  EXPECT_THROW(unpack_bits(std::vector<std::byte>(2), 3, 8, false), Error);
  EXPECT_THROW(pack_bits(std::vector<int32_t>{1}, 17), Error);
}

}  // namespace
}  // namespace halftone

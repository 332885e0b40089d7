#include "halftone/ptq/soft_rounding.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <cmath>

#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"
#include "halftone/quant/weight_scales.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

constexpr CodeRange kFourBits{-8, 7};

TEST(SoftRounding, StartsAtTheWeight) {
  const Tensor weight = Tensor::of<float>({4, 9}, random_values(36, 1));
  const QuantParams params = weight_params(weight, 0, 4, kFourBits, WeightScale::kMinMax, "w");
  const at::Tensor soft = SoftRounding(weight, params).soft_weight();
  EXPECT_TRUE(at::allclose(soft, to_torch(weight), 1e-5, 1e-6));
}

TEST(SoftRounding, KeepsEachChannelWithinItsOwnCodes) {
  const Tensor weight = Tensor::of<float>({4, 9}, random_values(36, 7));
  QuantParams grid{{}, {}, 0, 8, {}};
  set_channel_widths(grid, {{1, {-1, 1}}, {2, {-2, 1}}, {3, {-4, 3}}, {8, {-64, 64}}});
  QuantParams params = fitted(grid, weight, {}, "w");
  for (float& scale : params.scales) scale /= 3;  // most weights saturate
  SoftRounding rounding(weight, params);
  {
    const at::NoGradGuard no_grad;
    at::Tensor v = rounding.variable();
    v.copy_(at::randn(v.sizes()));
  }
  const auto codes = rounding.hard().codes;
  const auto soft = from_torch(rounding.soft_weight().detach()).to_vector<float>();
  const auto values = weight.to_vector<float>();
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto [bits, range] = params.channels[i / 9];
    EXPECT_GE(codes[i], range.qmin);
    EXPECT_LE(codes[i], range.qmax);
    if (bits == 1) {
      EXPECT_EQ(codes[i], values[i] < 0 ? -1 : 1);
      EXPECT_EQ(soft[i], static_cast<float>(codes[i]) * params.scales[0]);
    }
  }
}

TEST(SoftRounding, BlocksWithZeroPointsRoundAsQuantizeTensorDoes) {
  const Tensor weight = Tensor::of<float>({10, 4}, random_values(40, 8));
  const QuantParams params =
      fitted({{}, {}, 0, 4, {-8, 7}, {}, 4}, weight, {.is_affine = true}, "w");
  const SoftRounding rounding(weight, params);
  EXPECT_EQ(rounding.hard().codes, quantize_tensor(weight, params, "w").codes);
}

TEST(SoftRounding, RegularizerIsOneAtAHalfAndZeroAtTheEnds) {
  const Tensor weight = Tensor::of<float>({3}, {0.5f, 0.25f, 1.5f});
  SoftRounding rounding(weight, {{1.0f}, {0}, -1, 4, kFourBits});
  {
    const at::NoGradGuard no_grad;
    at::Tensor v = rounding.variable();
    v.copy_(at::tensor({0.0f, 30.0f, -30.0f}));
  }
  EXPECT_NEAR(rounding.regularizer(20).item<double>(), 1.0, 1e-6);
  EXPECT_NEAR(rounding.converged_share(), 2.0 / 3, 1e-6);
}

TEST(SoftRounding, ExponentFallsInAStraightLineAfterTheWarmUp) {
  EXPECT_FALSE(rounding_exponent(19, 100));
  EXPECT_DOUBLE_EQ(*rounding_exponent(20, 100), 20);
  EXPECT_DOUBLE_EQ(*rounding_exponent(60, 100), 11);
  EXPECT_DOUBLE_EQ(*rounding_exponent(100, 100), 2);
}

// y = W x with random inputs: the rounding that is learned against rounding to the nearest.
struct Learned {
  SoftRounding rounding;
  double nearest_error, learned_error;
  QuantTensor nearest;
};

Learned learn(const Tensor& weight, const QuantParams& params, const at::Tensor& x, int steps) {
  const at::Tensor exact = at::matmul(to_torch(weight), x);
  SoftRounding rounding(weight, params);
  torch::optim::Adam adam({rounding.variable()}, torch::optim::AdamOptions(1e-2));
  auto error_of = [&](const at::Tensor& w) {
    return (at::matmul(w, x) - exact).square().sum() / static_cast<double>(x.size(1));
  };
  for (int t = 0; t < steps; ++t) {
    adam.zero_grad();
    at::Tensor loss = error_of(rounding.soft_weight());
    if (const auto beta = rounding_exponent(t, steps))
      loss = loss + 0.01 * rounding.regularizer(*beta);
    loss.backward();
    adam.step();
  }
  const QuantTensor nearest = quantize_tensor(weight, params, "w");
  auto hard_error = [&](const QuantTensor& q) {
    return error_of(to_torch(dequantize_tensor(q))).item<double>();
  };
  const double learned_error = hard_error(rounding.hard());
  return {std::move(rounding), hard_error(nearest), learned_error, nearest};
}

TEST(SoftRounding, EndsAtZeroOrOneAndBeatsNearestRounding) {
  const OneTorchThread one_thread;
  at::manual_seed(3);
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const Tensor weight = Tensor::of<float>({6, 12}, random_values(72, seed));
    const QuantParams params = weight_params(weight, 0, 2, {-2, 1}, WeightScale::kMse, "w");
    const at::Tensor mixing = 0.05 * at::randn({12, 12}),
                     x = at::matmul(mixing, at::randn({12, 64}));  // correlated inputs
    const Learned found = learn(weight, params, x, 2500);
    EXPECT_GT(found.rounding.converged_share(), 0.99) << "seed " << seed;
    EXPECT_LT(found.learned_error, found.nearest_error) << "seed " << seed;
    const QuantTensor hard = found.rounding.hard();
    const auto w = weight.to_vector<float>();
    for (size_t i = 0; i < w.size(); ++i) {
      const double floor = std::floor(w[i] / params.scales[i / 12]);
      const double code = hard.codes[i];
      EXPECT_TRUE(code == std::clamp(floor, -2.0, 1.0) || code == std::clamp(floor + 1, -2.0, 1.0))
          << w[i];
    }
  }
}

TEST(SoftRounding, OneOfTwoEqualWeightsOnEqualInputsRoundsUp) {
  const Tensor weight = Tensor::of<float>({1, 2}, {0.4f, 0.41f});
  const at::Tensor one = at::randn({1, 64}), x = at::cat({one, one}, 0);
  const Learned found = learn(weight, {{1.0f}, {0}, -1, 4, kFourBits}, x, 1500);
  const auto codes = found.rounding.hard().codes;
  EXPECT_EQ(codes[0] + codes[1], 1) << "0.81 is nearer to 1 than to 0";
  EXPECT_EQ(found.nearest.codes, (std::vector<int32_t>{0, 0}));
}

}  // namespace
}  // namespace halftone

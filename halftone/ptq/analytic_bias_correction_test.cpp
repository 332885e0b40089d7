#include "halftone/ptq/analytic_bias_correction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "halftone/ptq/layer_chain.h"

namespace halftone {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

double gaussian(Rng& rng) {
  return std::sqrt(-2 * std::log(1 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform());
}

TEST(ClippedNormal, GivesThePublishedFigures) {
  EXPECT_NEAR(clipped_normal(0.5, 1, 0).mean, 0.6978, 5e-5);
  EXPECT_NEAR(clipped_normal(5, 2, 0, 6).mean, 4.6084, 5e-5);
  EXPECT_NEAR(clipped_normal(5, 2, 0).mean, 5.0040, 5e-5);
}

TEST(ClippedNormal, AgreesWithAMillionSamples) {
  Rng rng(11);
  std::vector<double> normal(1'000'000);
  for (double& z : normal) z = gaussian(rng);
  // Moved to the distribution's own mean and deviation: the error of a plain sample would be as
  // large as the tolerance.
  double sum = 0, squares = 0;
  for (double z : normal) sum += z, squares += z * z;
  const double mean = sum / 1e6, deviation = std::sqrt(squares / 1e6 - mean * mean);
  for (double& z : normal) z = (z - mean) / deviation;
  struct Case {
    double mean, deviation, low, high;
  };
  for (const Case& c : {Case{0.5, 1, 0, kNoLimit}, Case{-1, 0.7, 0, kNoLimit}, Case{0.5, 0.8, 0, 1},
                        Case{-0.2, 0.5, -1, 0.3}, Case{0.3, 0, 0, 1}}) {
    double first = 0, second = 0;
    for (double z : normal) {
      const double x = std::clamp(c.mean + c.deviation * z, c.low, c.high);
      first += x, second += x * x;
    }
    first /= 1e6, second /= 1e6;
    const Moments found = clipped_normal(c.mean, c.deviation, c.low, c.high);
    EXPECT_NEAR(found.mean, first, 1e-3) << c.mean << " " << c.deviation;
    EXPECT_NEAR(found.variance, second - first * first, 1e-3) << c.mean << " " << c.deviation;
  }
}

TEST(ChannelMoments, FollowAddPoolingAndPadding) {
  LayerChain chain({Dim::of(2), Dim::of(3), Dim::of(6), Dim::of(6)});
  chain.constant("pads", Tensor::of<int64_t>({8}, {0, 1, 0, 0, 0, 2, 0, 0}));
  chain.conv("a", {2, 3, 1, 1})
      .then("Relu")
      .conv("b", {2, 2, 1, 1})
      .then("Add", {"a.Relu"})
      .then("Pad", {"pads"});
  Graph graph = chain.then("GlobalAveragePool").then("Flatten").graph();
  graph.statistics["a"] = {{0.5, 5}, {1, 2}};
  graph.statistics["b"] = {{-1, 2}, {3, 1}};
  const auto moments = channel_moments(graph);
  const auto& last = moments.at(graph.outputs[0].name);
  ASSERT_EQ(last.size(), 5u);
  EXPECT_EQ(last[0].mean, 0);
  EXPECT_NEAR(last[1].mean, 0.6978 - 1, 1e-4);
  EXPECT_NEAR(last[2].mean, 5.0040 + 2, 1e-4);
  EXPECT_EQ(last[3].mean, 0);
  EXPECT_NEAR(moments.at("b.Add").at(1).variance, clipped_normal(5, 2, 0).variance + 1, 1e-9);
  EXPECT_FALSE(moments.contains("x"));
}

TEST(AnalyticBiasCorrection, RemovesAPlantedShift) {
  // "a" passes each channel of x ~ N(0, 1) on as N(beta, gamma^2); the codes of "b" are all too
  // large by up to half a step.
  const Shape shape{1, 4, 100, 100};
  LayerChain chain({Dim::of(1), Dim::of(4), Dim::of(100), Dim::of(100)});
  Graph graph =
      chain.conv("a", {4, 1, 1, 1}, {.groups = 4}).then("Relu").conv("b", {3, 4, 1, 1}).graph();
  const std::vector<double> beta{0.5, -0.3, 1, 0}, gamma{1, 0.5, -2, 0.1};
  graph.initializers["a.weight"] = Tensor::from_doubles(DType::kFloat, {4, 1, 1, 1}, gamma);
  graph.initializers["a.bias"] = Tensor::from_doubles(DType::kFloat, {4}, beta);
  graph.initializers["b.weight"] = random_tensor({3, 4, 1, 1}, 5);
  graph.statistics["a"] = {beta, {1, 0.5, 2, 0.1}};

  const auto weight = graph.initializers.at("b.weight").to_vector<float>();
  QuantTensor rounded{{3, 4, 1, 1}, {}, {{0.25f}, {0}, -1, 4, {-7, 7}}};
  for (float w : weight) rounded.codes.push_back(static_cast<int32_t>(std::ceil(w / 0.25f)));
  Graph quantized = graph;
  quantized.initializers["b.weight"] = dequantize_tensor(rounded);

  Graph corrected = graph;
  EXPECT_EQ(correct_biases_analytically(corrected, {{"b.weight", rounded}}), 1u);
  corrected.initializers["b.weight"] = dequantize_tensor(rounded);

  Rng rng(7);
  std::vector<float> noise(40000);
  for (float& x : noise) x = static_cast<float>(gaussian(rng));
  const Tensor x = Tensor::of<float>(shape, std::move(noise));
  auto means = [&](const Graph& g) {
    const auto y = output_of(g, x);
    std::vector<double> result(3, 0);
    for (size_t i = 0; i < y.size(); ++i) result[i / 10000] += static_cast<double>(y[i]) / 10000;
    return result;
  };
  const auto wanted = means(graph), before = means(quantized), after = means(corrected);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_GT(std::abs(before[c] - wanted[c]), 0.1) << "no shift was planted";
    EXPECT_NEAR(after[c], wanted[c], 0.03 * std::abs(before[c] - wanted[c]));
  }
  EXPECT_EQ(corrected.initializers.at("a.bias"), graph.initializers.at("a.bias"))
      << "nothing is known of the image";
}

}  // namespace
}  // namespace halftone

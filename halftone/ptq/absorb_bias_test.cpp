#include "halftone/ptq/absorb_bias.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/ptq/layer_chain.h"

namespace halftone {
namespace {

const SymbolicShape kImage{Dim::of(2), Dim::of(3), Dim::of(7), Dim::of(7)};

// Channel 1 of "a" is high by 5; the others are about 0. What reaches them from inputs in [-1, 1]
// is below 0.1.
Graph with_high_bias(ConvOptions second, const std::string& activation = "Relu") {
  LayerChain chain(kImage);
  chain.conv("a", {4, 3, 1, 1});
  if (activation == "Clip")
    chain.clip(5.1f);
  else if (!activation.empty())
    chain.then(activation);
  Graph graph = chain.conv("b", {4, 4 / second.groups, 3, 3}, second).graph();
  graph.initializers["a.weight"] = random_tensor({4, 3, 1, 1}, 3, -0.03f, 0.03f);
  graph.initializers["a.bias"] = Tensor::of<float>({4}, {0, 5, 0.1f, -2});
  graph.statistics["a"] = {{0, 5, 0.1, -2}, {0.05, 0.05, 0.05, 0.05}};
  return graph;
}

void expect_same_function(const Graph& a, const Graph& b) {
  for (uint64_t seed = 1; seed < 4; ++seed) {
    const Tensor x = random_tensor({2, 3, 7, 7}, seed);
    const auto before = output_of(a, x), after = output_of(b, x);
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_NEAR(before[i], after[i], 1e-5f) << "seed " << seed;
  }
}

TEST(AbsorbBias, MovesAPlantedHighBiasIntoTheNextLayer) {
  for (int64_t groups : {1, 4}) {
    const Graph original = with_high_bias({.groups = groups});
    Graph graph = original;
    EXPECT_EQ(absorb_high_biases(graph), 1u);
    const auto bias = graph.initializers.at("a.bias").to_vector<float>();
    EXPECT_NEAR(bias[1], 0.15f, 1e-6f) << "three deviations stay";
    EXPECT_EQ(bias[0], 0);
    EXPECT_EQ(bias[3], -2);
    EXPECT_NEAR(graph.statistics["a"].mean[1], 0.15, 1e-9);
    expect_same_function(original, graph);
    absorb_high_biases(graph);
    EXPECT_NEAR(graph.initializers.at("a.bias").to_vector<float>()[1], 0.15f, 1e-6f)
        << "nothing was left to absorb";
  }
}

TEST(AbsorbBias, TakesTheWholeMeanWhereNoActivationStandsBetween) {
  const Graph original = with_high_bias({}, "");
  Graph graph = original;
  EXPECT_EQ(absorb_high_biases(graph), 3u);
  for (float bias : graph.initializers.at("a.bias").to_vector<float>()) EXPECT_NEAR(bias, 0, 1e-6f);
  expect_same_function(original, graph);
}

TEST(AbsorbBias, GivesABiasToALayerWithout) {
  Graph original = with_high_bias({});
  original.nodes.back().inputs.resize(2);
  original.initializers.erase("b.bias");
  Graph graph = original;
  EXPECT_EQ(absorb_high_biases(graph), 1u);
  expect_same_function(original, graph);
}

TEST(AbsorbBias, LeavesPaddedLayersAndClippedChannels) {
  for (const Graph& original : {with_high_bias({.padding = 1}), with_high_bias({}, "Clip")}) {
    Graph graph = original;
    EXPECT_EQ(absorb_high_biases(graph), 0u);
    EXPECT_EQ(graph.initializers.at("a.bias"), original.initializers.at("a.bias"));
  }
}

}  // namespace
}  // namespace halftone

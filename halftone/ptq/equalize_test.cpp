#include "halftone/ptq/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/ptq/layer_chain.h"
#include "halftone/ptq/layer_pairs.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

const SymbolicShape kImage{Dim::of(2), Dim::of(3), Dim::of(7), Dim::of(7)};
const SymbolicShape kRow{Dim::of(4), Dim::of(6)};

void expect_same_function(const Graph& a, const Graph& b) {
  const auto shape = *a.inputs[0].type.static_shape();
  for (uint64_t seed = 1; seed < 4; ++seed) {
    const Tensor x = random_tensor(shape, seed);
    const auto before = output_of(a, x), after = output_of(b, x);
    float largest = 0;
    for (float y : before) largest = std::max(largest, std::abs(y));
    ASSERT_GT(largest, 0) << "a network that gives zeros tells nothing";
    for (size_t i = 0; i < before.size(); ++i)
      EXPECT_NEAR(before[i], after[i], 1e-4f * largest) << "seed " << seed;
  }
}

enum class Side { kInput, kOutput };

// Largest magnitude of each input or output channel of a layer's weight.
std::vector<double> ranges(const Graph& graph, const std::string& layer, Side side) {
  const auto node = std::ranges::find(graph.nodes, layer, &Node::name);
  const auto weight = LayerWeight::of(graph, *node);
  std::vector<double> result(side == Side::kInput ? weight->inputs : weight->outputs);
  for (size_t e = 0; e < weight->values.size(); ++e) {
    double& range = result[side == Side::kInput ? weight->input_of(e) : weight->output_of(e)];
    range = std::max(range, std::abs(weight->values[e]));
  }
  return result;
}

void expect_equal(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t c = 0; c < a.size(); ++c) EXPECT_NEAR(a[c] / b[c], 1, 1e-5) << "channel " << c;
}

void expect_equalized(const Graph& original, const std::string& first, const std::string& second) {
  Graph graph = original;
  EXPECT_EQ(equalize(graph), 1u);
  expect_same_function(original, graph);
  expect_equal(ranges(graph, first, Side::kOutput), ranges(graph, second, Side::kInput));
  Graph again = graph;
  equalize(again);
  for (const auto& [name, tensor] : graph.initializers) {
    const auto x = tensor.to_vector<float>(), y = again.initializers.at(name).to_vector<float>();
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(x[i], y[i], 1e-5f * std::abs(x[i])) << name << ": not idempotent";
  }
}

TEST(Equalize, PairsThroughEveryHomogeneousActivation) {
  for (const std::string activation : {"", "Relu", "LeakyRelu", "PRelu"}) {
    SCOPED_TRACE(activation);
    LayerChain chain(kImage);
    chain.constant("slope", random_tensor({8, 1, 1}, 9, 0, 1))
        .conv("a", {8, 3, 3, 3}, {.padding = 1});
    if (activation == "PRelu")
      chain.then(activation, {"slope"});
    else if (!activation.empty())
      chain.then(activation);
    expect_equalized(chain.conv("b", {5, 8, 3, 3}, {.padding = 1}).graph(), "a", "b");
  }
}

TEST(Equalize, PairsOfGroupsAndOfGemmEitherWay) {
  LayerChain second(kImage), first(kImage);
  expect_equalized(
      second.conv("a", {8, 3, 1, 1}).then("Relu").conv("b", {12, 2, 3, 3}, {.groups = 4}).graph(),
      "a", "b");
  expect_equalized(
      first.conv("a", {6, 1, 3, 3}, {.groups = 3}).then("Relu").conv("b", {4, 6, 1, 1}).graph(),
      "a", "b");
  for (int64_t a : {0, 1}) {
    for (int64_t b : {0, 1}) {
      LayerChain chain(kRow);
      chain.gemm("a", a ? Shape{9, 6} : Shape{6, 9}, a)
          .then("Relu")
          .gemm("b", b ? Shape{5, 9} : Shape{9, 5}, b);
      expect_equalized(chain.graph(), "a", "b");
    }
  }
}

TEST(Equalize, TripleAroundADepthwiseLayer) {
  LayerChain chain(kImage);
  chain.conv("expand", {16, 3, 1, 1})
      .then("Relu")
      .conv("depthwise", {16, 1, 3, 3}, {.groups = 16, .padding = 1})
      .then("Relu");
  const Graph original = chain.conv("project", {6, 16, 1, 1}).graph();
  Graph graph = original;
  EXPECT_EQ(equalize(graph), 2u);
  expect_same_function(original, graph);
  const auto middle = ranges(graph, "depthwise", Side::kOutput);
  expect_equal(ranges(graph, "expand", Side::kOutput), middle);
  expect_equal(ranges(graph, "project", Side::kInput), middle);
}

TEST(Equalize, LongChainsSettle) {
  LayerChain chain(kImage);
  chain.conv("a", {8, 3, 1, 1})
      .then("Relu")
      .conv("b", {8, 8, 1, 1})
      .then("Relu")
      .conv("c", {8, 8, 1, 1})
      .then("Relu");
  const Graph original = chain.conv("d", {8, 8, 1, 1}).graph();
  Graph graph = original;
  EXPECT_EQ(equalize(graph), 3u);
  expect_same_function(original, graph);
  const char* layers[] = {"a", "b", "c", "d"};
  for (int i = 0; i < 3; ++i) {
    const auto r1 = ranges(graph, layers[i], Side::kOutput),
               r2 = ranges(graph, layers[i + 1], Side::kInput);
    for (size_t c = 0; c < r1.size(); ++c) EXPECT_NEAR(r1[c] / r2[c], 1, 0.01);
  }
}

TEST(Equalize, ZeroRangesStayAndFactorsAreLimited) {
  Graph graph = LayerChain(kRow).gemm("a", {9, 6}, 1).then("Relu").gemm("b", {5, 9}, 1).graph();
  auto weight = graph.initializers.at("a.weight").to_vector<float>();
  for (size_t i = 0; i < 6; ++i) weight[i] = 0, weight[6 + i] *= 1e-12f;
  graph.initializers["a.weight"] = Tensor::of<float>({9, 6}, weight);
  const auto bias = graph.initializers.at("a.bias").to_vector<float>();
  const Graph original = graph;
  equalize(graph);
  expect_same_function(original, graph);
  const auto scaled = graph.initializers.at("a.bias").to_vector<float>();
  EXPECT_EQ(scaled[0], bias[0]);
  EXPECT_NEAR(scaled[1] / bias[1], 256, 1e-3);
}

TEST(Equalize, LeavesWhatIsNoPair) {
  // "a" is read twice: by "b" and by the residual addition.
  LayerChain with_add(kImage);
  with_add.conv("a", {8, 3, 1, 1})
      .then("Relu")
      .conv("b", {8, 8, 1, 1})
      .then("Add", {"a.Relu"})
      .conv("c", {4, 8, 1, 1});
  Graph residual = with_add.graph();
  const Graph original = residual;
  EXPECT_EQ(equalize(residual), 0u);
  for (const auto& [name, tensor] : original.initializers)
    EXPECT_EQ(tensor, residual.initializers.at(name)) << name;

  LayerChain twice(kImage);
  twice.conv("a", {8, 3, 1, 1})
      .then("Relu")
      .conv("b", {8, 8, 1, 1})
      .then("Relu")
      .conv("c", {8, 8, 1, 1});
  Graph shared = twice.graph();
  for (Node& node : shared.nodes)
    if (node.name == "c") node.inputs[1] = "b.weight";
  EXPECT_EQ(layer_pairs(shared).size(), 0u) << "a weight that two layers read";
}

TEST(Equalize, ClipStaysAndLimitsTheScaling) {
  const Graph original =
      LayerChain(kImage).conv("a", {8, 3, 3, 3}).clip(0.5f).conv("b", {5, 8, 1, 1}).graph();
  Graph untouched = original;
  EXPECT_EQ(equalize(untouched), 0u) << "nothing is known of what reaches the clip";

  Graph before_clip = original;
  before_clip.outputs = {{"a", {DType::kFloat, {}}, {}}};
  auto maxima_of = [](const Graph& graph, uint64_t seed) {
    const auto values = output_of(graph, random_tensor({2, 3, 7, 7}, seed));
    std::vector<float> result(8, -1e9f);
    for (size_t i = 0; i < values.size(); ++i)
      result[i / 25 % 8] = std::max(result[i / 25 % 8], values[i]);
    return result;
  };
  ChannelMaxima seen{{"a", std::vector<float>(8, 0)}};
  for (uint64_t seed = 1; seed < 4; ++seed) {
    const auto some = maxima_of(before_clip, seed);
    for (size_t c = 0; c < 8; ++c) seen["a"][c] = std::max(seen["a"][c], some[c]);
  }
  const auto reaching = std::ranges::count_if(seen["a"], [](float x) { return x >= 0.5f; });
  ASSERT_GT(reaching, 0);
  ASSERT_LT(reaching, 8);
  Graph graph = original;
  EXPECT_EQ(equalize(graph, seen), 1u);
  expect_same_function(original, graph);
  EXPECT_NE(graph.initializers.at("a.weight"), original.initializers.at("a.weight"));
  EXPECT_EQ(graph.nodes[1].op_type, "Clip");
  const auto r1 = ranges(original, "a", Side::kOutput), r2 = ranges(graph, "a", Side::kOutput);
  for (size_t c = 0; c < 8; ++c) {
    if (seen["a"][c] < 0.5f) continue;
    EXPECT_FLOAT_EQ(static_cast<float>(r1[c]), static_cast<float>(r2[c]))
        << "a channel at the clip";
  }
}

TEST(Equalize, ScalesStatisticsAlong) {
  Graph graph = LayerChain(kRow).gemm("a", {9, 6}, 1).then("Relu").gemm("b", {5, 9}, 1).graph();
  graph.statistics["a"] = {std::vector<double>(9, 2), std::vector<double>(9, 3)};
  const auto before = graph.initializers.at("a.bias").to_vector<double>();
  equalize(graph);
  const auto after = graph.initializers.at("a.bias").to_vector<double>();
  for (size_t c = 0; c < 9; ++c) {
    EXPECT_NEAR(graph.statistics["a"].mean[c], 2 * after[c] / before[c],
                1e-5 * graph.statistics["a"].mean[c]);
    EXPECT_NEAR(graph.statistics["a"].deviation[c], 3 * after[c] / before[c],
                1e-5 * graph.statistics["a"].deviation[c]);
  }
}

}  // namespace
}  // namespace halftone

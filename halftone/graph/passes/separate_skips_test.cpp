#include "halftone/graph/passes/separate_skips.h"

#include <gtest/gtest.h>

#include "halftone/base/rng.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"

namespace halftone {
namespace {

Value value(const std::string& name) {
  return {name, {DType::kFloat, SymbolicShape{Dim::of(1), Dim::of(2), Dim::of(3), Dim::of(3)}}, {}};
}

// image -> Relu -> a; a -> Conv -> c; a + c -> b; b -> Conv -> d; b + d -> e; e -> Sigmoid -> y.
Graph residual_network() {
  Graph g;
  g.inputs = {value("image")};
  g.outputs = {value("y")};
  for (const std::string weight : {"w1", "w2"}) {
    Rng rng(weight.back());
    std::vector<float> values(4);
    for (float& x : values) x = static_cast<float>(rng.uniform() - 0.5);
    g.initializers[weight] = Tensor::of<float>({2, 2, 1, 1}, values);
  }
  g.nodes = {{.name = "start", .op_type = "Relu", .inputs = {"image"}, .outputs = {"a"}},
             {.name = "conv1", .op_type = "Conv", .inputs = {"a", "w1"}, .outputs = {"c"}},
             {.name = "add1", .op_type = "Add", .inputs = {"a", "c"}, .outputs = {"b"}},
             {.name = "conv2", .op_type = "Conv", .inputs = {"b", "w2"}, .outputs = {"d"}},
             {.name = "add2", .op_type = "Add", .inputs = {"b", "d"}, .outputs = {"e"}},
             {.name = "end", .op_type = "Sigmoid", .inputs = {"e"}, .outputs = {"y"}}};
  infer_shapes(g);
  return g;
}

std::vector<std::string> inputs_of(const Graph& graph, const std::string& node) {
  for (const Node& each : graph.nodes)
    if (each.name == node) return each.inputs;
  return {};
}

std::vector<std::vector<float>> outputs_of(const Graph& graph) {
  std::vector<float> pixels(18);
  Rng rng(3);
  for (float& x : pixels) x = static_cast<float>(4 * rng.uniform() - 2);
  std::vector<std::vector<float>> results;
  for (const Tensor& output :
       interpret(graph, {{"image", Tensor::of<float>({1, 2, 3, 3}, pixels)}}))
    results.push_back(output.to_vector<float>());
  return results;
}

TEST(SeparateSkips, LayersKeepTheNameAndAddsReadTheSkip) {
  Graph graph = residual_network();
  separate_skips(graph, {"a", "b"});
  EXPECT_EQ(graph.nodes.size(), 8u);
  EXPECT_EQ(inputs_of(graph, "conv1")[0], "a");
  EXPECT_EQ(inputs_of(graph, "add1")[0], "a_skip");
  EXPECT_EQ(inputs_of(graph, "conv2")[0], "b");
  EXPECT_EQ(inputs_of(graph, "add2")[0], "b_skip");
  EXPECT_EQ(inputs_of(graph, "end")[0], "e") << "it is not asked for";
  EXPECT_EQ(graph.type("a_skip").shape, graph.type("a").shape);
  EXPECT_EQ(separated_skips(graph), (std::set<std::string>{"a", "b"}));
}

TEST(SeparateSkips, TheFunctionStaysTheSameAndJoiningIsTheWayBack) {
  const Graph before = residual_network();
  Graph after = before;
  separate_skips(after, {"a", "b"});
  EXPECT_EQ(outputs_of(before), outputs_of(after));
  join_skips(after);
  ASSERT_EQ(after.nodes.size(), before.nodes.size());
  for (size_t i = 0; i < before.nodes.size(); ++i) {
    EXPECT_EQ(after.nodes[i].inputs, before.nodes[i].inputs);
    EXPECT_EQ(after.nodes[i].outputs, before.nodes[i].outputs);
  }
}

TEST(SeparateSkips, TheCopyLiesBeforeItsFirstReader) {
  Graph graph = residual_network();
  std::swap(graph.nodes[1], graph.nodes[0]);  // another layer between the value and its reader
  graph.nodes[0].inputs[0] = "image";
  graph.nodes.push_back(
      {.name = "late", .op_type = "Conv", .inputs = {"a", "w1"}, .outputs = {"z"}});
  separate_skips(graph, {"a"});
  EXPECT_TRUE(is_skip_copy(graph.nodes[graph.nodes.size() - 2]));
  EXPECT_EQ(graph.nodes.back().name, "late");
}

// a's shortcut is sliced and padded on its way; another slice of it is read by a layer, too.
TEST(SeparateSkips, WhatOnlyMovesOnItsWayToAnAddReadsTheSkip) {
  Graph graph = residual_network();
  const std::vector<int64_t> from{0, 0, 0, 0}, to{1, 2, 2, 3}, pads{0, 0, 0, 0, 0, 0, 1, 0};
  graph.initializers["from"] = Tensor::of<int64_t>({4}, from);
  graph.initializers["to"] = Tensor::of<int64_t>({4}, to);
  graph.initializers["pads"] = Tensor::of<int64_t>({8}, pads);
  graph.outputs.push_back(value("z"));
  graph.outputs[1].type.shape = std::nullopt;
  graph.nodes[2].inputs[0] = "padded";
  const std::vector<Node> more = {
      {.name = "slice", .op_type = "Slice", .inputs = {"a", "from", "to"}, .outputs = {"sliced"}},
      {.name = "pad", .op_type = "Pad", .inputs = {"sliced", "pads"}, .outputs = {"padded"}},
      {.name = "other", .op_type = "Slice", .inputs = {"a", "from", "to"}, .outputs = {"o"}},
      {.name = "reader", .op_type = "Conv", .inputs = {"o", "w1"}, .outputs = {"p"}},
      {.name = "both", .op_type = "Add", .inputs = {"o", "p"}, .outputs = {"z"}}};
  graph.nodes.insert(graph.nodes.begin() + 2, more.begin(), more.end());
  infer_shapes(graph);
  const auto before = outputs_of(graph);
  separate_skips(graph, {"a"});
  EXPECT_EQ(outputs_of(graph), before);
  EXPECT_EQ(inputs_of(graph, "conv1")[0], "a");
  EXPECT_EQ(inputs_of(graph, "slice")[0], "a_skip");
  EXPECT_EQ(inputs_of(graph, "pad")[0], "sliced");
  EXPECT_EQ(inputs_of(graph, "other")[0], "a") << "a layer reads it, too";
}

TEST(SeparateSkips, StatisticsGoWithWhatIsMade) {
  Graph graph = residual_network();
  graph.statistics["a"].mean = {1, 2};
  separate_skips(graph, {"a"});
  EXPECT_EQ(graph.statistics.at("a_skip").mean, (std::vector<double>{1, 2}));
  EXPECT_FALSE(graph.statistics.contains("a"));
}

}  // namespace
}  // namespace halftone

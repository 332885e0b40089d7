#include "halftone/graph/passes/passes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/base/rng.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"

namespace halftone {
namespace {

Tensor random_tensor(Shape shape, uint64_t seed, float low = -1, float high = 1) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& x : values) x = low + (high - low) * static_cast<float>(rng.uniform());
  return Tensor::of<float>(std::move(shape), std::move(values));
}

Value value(const std::string& name, SymbolicShape shape) {
  return {name, {DType::kFloat, std::move(shape)}, {}};
}

// image [batch,3,8,8] -> Pad -> Conv -> BatchNormalization -> Identity -> Relu -> Dropout ->
// ReduceMean over space -> Gemm, with the shape arithmetic of PyTorch's exporter in front of a
// Reshape.
Graph network() {
  Graph g;
  g.inputs = {value("image", {{-1, "batch"}, Dim::of(3), Dim::of(8), Dim::of(8)})};
  g.outputs = {value("logits", {{-1, "batch"}, Dim::of(5)})};
  g.initializers["pads"] = Tensor::of<int64_t>({8}, {0, 0, 0, 1, 0, 0, 1, 2});
  g.initializers["w"] = random_tensor({4, 3, 3, 3}, 1);
  g.initializers["gamma"] = random_tensor({4}, 2, 0.5f, 2);
  g.initializers["beta"] = random_tensor({4}, 3);
  g.initializers["mean"] = random_tensor({4}, 4);
  g.initializers["var"] = random_tensor({4}, 5, 0.1f, 2);
  g.initializers["axes"] = Tensor::of<int64_t>({2}, {2, 3});
  g.initializers["zero"] = Tensor::scalar<int64_t>(0);
  g.initializers["zeros"] = Tensor::of<int64_t>({1}, {0});
  g.initializers["minus"] = Tensor::of<int64_t>({1}, {-1});
  g.initializers["fc"] = random_tensor({5, 4}, 6);
  g.nodes = {
      {.name = "shape", .op_type = "Shape", .inputs = {"image"}, .outputs = {"s"}},
      {.name = "gather", .op_type = "Gather", .inputs = {"s", "zero"}, .outputs = {"b"}},
      {.name = "unsqueeze", .op_type = "Unsqueeze", .inputs = {"b", "zeros"}, .outputs = {"b1"}},
      {.name = "concat",
       .op_type = "Concat",
       .inputs = {"b1", "minus"},
       .outputs = {"target"},
       .attributes = {{"axis", int64_t{0}}}},
      {.name = "pad", .op_type = "Pad", .inputs = {"image", "pads"}, .outputs = {"padded"}},
      {.name = "conv", .op_type = "Conv", .inputs = {"padded", "w"}, .outputs = {"c"}},
      {.name = "bn",
       .op_type = "BatchNormalization",
       .inputs = {"c", "gamma", "beta", "mean", "var"},
       .outputs = {"n"}},
      {.name = "id", .op_type = "Identity", .inputs = {"n"}, .outputs = {"n2"}},
      {.name = "relu", .op_type = "Relu", .inputs = {"n2"}, .outputs = {"r"}},
      {.name = "drop", .op_type = "Dropout", .inputs = {"r"}, .outputs = {"d"}},
      {.name = "mean_", .op_type = "ReduceMean", .inputs = {"d", "axes"}, .outputs = {"m"}},
      {.name = "reshape", .op_type = "Reshape", .inputs = {"m", "target"}, .outputs = {"flat"}},
      {.name = "gemm",
       .op_type = "Gemm",
       .inputs = {"flat", "fc"},
       .outputs = {"logits"},
       .attributes = {{"transB", int64_t{1}}}},
  };
  return g;
}

void expect_same_function(const Graph& a, const Graph& b, float tolerance) {
  for (uint64_t seed = 20; seed < 24; ++seed) {
    const std::map<std::string, Tensor> inputs{{"image", random_tensor({2, 3, 8, 8}, seed)}};
    const auto x = interpret(a, inputs)[0].to_vector<float>(),
               y = interpret(b, inputs)[0].to_vector<float>();
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], tolerance) << "seed " << seed;
  }
}

TEST(Passes, MaxAndMinBecomeReluAndClip) {
  Graph graph;
  graph.inputs = {value("image", {{-1, "batch"}, Dim::of(3), Dim::of(8), Dim::of(8)})};
  graph.outputs = {value("y", {})};
  graph.outputs[0].type.shape = std::nullopt;
  for (const auto& [name, constant] : {std::pair{"zero", 0.0f}, {"low", -0.25f}, {"high", 0.5f}})
    graph.initializers[name] = Tensor::scalar<float>(constant);
  graph.initializers["wide"] = random_tensor({3, 1, 1}, 1);
  graph.nodes = {{.op_type = "Max", .inputs = {"image", "low"}, .outputs = {"a"}},
                 {.op_type = "Min", .inputs = {"high", "a"}, .outputs = {"b"}},
                 {.op_type = "Max", .inputs = {"zero", "b"}, .outputs = {"c"}},
                 {.op_type = "Max", .inputs = {"c", "wide"}, .outputs = {"d"}},     // not one bound
                 {.op_type = "Max", .inputs = {"image", "low"}, .outputs = {"e"}},  // read twice
                 {.op_type = "Min", .inputs = {"e", "high"}, .outputs = {"f"}},
                 {.op_type = "Sum", .inputs = {"d", "e", "f"}, .outputs = {"y"}}};
  Graph changed = graph;
  use_activations(changed);
  std::vector<std::string> operators;
  for (const Node& node : changed.nodes) operators.push_back(node.op_type);
  EXPECT_EQ(operators, (std::vector<std::string>{"Clip", "Relu", "Max", "Max", "Min", "Sum"}));
  expect_same_function(graph, changed, 0);
}

// image -> Slice along `first`, then along `second`.
Graph sliced_twice(const std::vector<int64_t>& first, const std::vector<int64_t>& second) {
  const auto ints = [](const std::vector<int64_t>& values) {
    return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
  };
  Graph g;
  g.inputs = {value("image", {Dim::of(2), Dim::of(3), Dim::of(8), Dim::of(8)})};
  g.outputs = {{"y", {DType::kFloat, std::nullopt}, {}}};
  g.initializers["first"] = ints(first);
  g.initializers["second"] = ints(second);
  g.initializers["from"] = ints({1});
  g.initializers["to"] = ints({INT64_MAX});
  g.initializers["from_end"] = ints({-2});
  g.initializers["two"] = ints({2});
  g.nodes = {{.name = "a",
              .op_type = "Slice",
              .inputs = {"image", "from", "to", "first", "two"},
              .outputs = {"x"}},
             {.name = "b",
              .op_type = "Slice",
              .inputs = {"x", "from_end", "to", "second"},
              .outputs = {"y"}}};
  return g;
}

TEST(Passes, SlicesAlongDifferentAxesBecomeOne) {
  Graph graph = sliced_twice({2}, {3}), before = graph;
  graph.nodes.push_back(
      {.name = "c", .op_type = "Slice", .inputs = {"y", "from", "to"}, .outputs = {"z"}});
  graph.outputs[0].name = "z";
  before = graph;
  merge_slices(graph);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].outputs[0], "z");
  expect_same_function(before, graph, 0);
}

TEST(Passes, SlicesStayWhereTheyShareAnAxisOrTheFirstIsReadElsewhere) {
  Graph same = sliced_twice({2}, {2});
  merge_slices(same);
  EXPECT_EQ(same.nodes.size(), 2u);
  Graph negative = sliced_twice({2}, {-2});
  merge_slices(negative);
  EXPECT_EQ(negative.nodes.size(), 2u) << "-2 is axis 2";
  Graph old = sliced_twice({2}, {3});
  using I = std::vector<int64_t>;
  old.nodes[1].inputs = {"x"};
  old.nodes[1].attributes = {{"starts", I{1}}, {"ends", I{5}}, {"axes", I{3}}};
  merge_slices(old);
  EXPECT_EQ(old.nodes.size(), 2u) << "what it takes stands in attributes";
  Graph shared = sliced_twice({2}, {3});
  shared.outputs.push_back({"x", {DType::kFloat, std::nullopt}, {}});
  merge_slices(shared);
  EXPECT_EQ(shared.nodes.size(), 2u);
}

TEST(Passes, FoldingKeepsTheStatisticsOfBatchNormalization) {
  Graph graph = network();
  canonicalize(graph);
  ASSERT_EQ(graph.statistics.size(), 1u);
  const auto& [name, statistics] = *graph.statistics.begin();
  EXPECT_EQ(name, graph.nodes[0].outputs[0])
      << "the convolution makes the value that the normalization made";
  EXPECT_EQ(statistics.mean, network().initializers.at("beta").to_vector<double>());
  EXPECT_EQ(statistics.deviation, network().initializers.at("gamma").to_vector<double>())
      << "all are positive";
  graph.outputs[0].name = graph.inputs[0].name;
  remove_dead_code(graph);
  EXPECT_TRUE(graph.statistics.empty());
}

bool has_op(const Graph& graph, const std::string& op) {
  return std::ranges::any_of(graph.nodes, [&](const Node& node) { return node.op_type == op; });
}

TEST(Passes, EachLeavesTheFunctionUnchanged) {
  const Graph original = network();
  for (auto pass : {fold_constants, remove_identities, fold_batch_norm, absorb_padding,
                    use_global_pooling, remove_dead_code, canonicalize}) {
    Graph graph = original;
    infer_shapes(graph);
    pass(graph);
    expect_same_function(original, graph, 1e-5f);
  }
}

TEST(Passes, CanonicalFormHasNothingLeftToFold) {
  Graph graph = network();
  canonicalize(graph);
  for (const char* op : {"Shape", "Gather", "Concat", "Pad", "BatchNormalization", "Identity",
                         "Dropout", "ReduceMean"})
    EXPECT_FALSE(has_op(graph, op)) << op;
  EXPECT_TRUE(has_op(graph, "GlobalAveragePool"));
  EXPECT_TRUE(graph.initializers.contains("w")) << "a folded weight keeps its name";
  const auto conv = std::ranges::find(graph.nodes, "Conv", &Node::op_type);
  EXPECT_EQ(conv->ints_or("pads", {}), (std::vector<int64_t>{0, 1, 1, 2}));
  EXPECT_EQ(conv->outputs[0], "n") << "the layer makes the value of what it absorbed";
}

TEST(Passes, BatchNormIsKeptWhereTheConvolutionIsReadElsewhere) {
  Graph graph = network();
  graph.outputs.push_back(value("c", {{-1, "batch"}, Dim::of(4), Dim::of(7), Dim::of(9)}));
  canonicalize(graph);
  EXPECT_TRUE(has_op(graph, "BatchNormalization"));
}

TEST(Passes, PaddingStaysWhereItIsNotZeroOrReadElsewhere) {
  Graph by_one = network();
  by_one.initializers["one"] = Tensor::scalar<float>(1);
  by_one.nodes[4].inputs.push_back("one");
  canonicalize(by_one);
  EXPECT_TRUE(has_op(by_one, "Pad"));
  Graph shown = network();
  shown.outputs.push_back(value("padded", {{-1, "batch"}, Dim::of(3), Dim::of(9), Dim::of(11)}));
  canonicalize(shown);
  EXPECT_TRUE(has_op(shown, "Pad"));
}

TEST(Passes, QuantizedWeightsAreComputedOnceWithTheSameResult) {
  Graph graph = network();
  const int64_t count = graph.initializers.at("w").count();
  std::vector<int8_t> codes(static_cast<size_t>(count));
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<int8_t>(37 * i % 255 - 127);
  graph.initializers["codes"] =
      Tensor::of<int8_t>(graph.initializers.at("w").shape(), std::move(codes));
  graph.initializers["step"] = Tensor::scalar<float>(0.01f);
  graph.initializers.erase("w");
  graph.nodes.insert(
      graph.nodes.begin(),
      {.name = "dq", .op_type = "DequantizeLinear", .inputs = {"codes", "step"}, .outputs = {"w"}});
  const Graph original = graph;
  dequantize_constants(graph);
  EXPECT_FALSE(has_op(graph, "DequantizeLinear"));
  EXPECT_FALSE(graph.initializers.contains("codes")) << "kept although nobody reads it";
  expect_same_function(original, graph, 0);
}

TEST(Passes, OutputsKeepTheirNames) {
  Graph graph = network();
  graph.nodes.push_back(
      {.name = "last", .op_type = "Identity", .inputs = {"logits"}, .outputs = {"scores"}});
  graph.outputs[0].name = "scores";
  const Graph original = graph;
  canonicalize(graph);
  EXPECT_EQ(graph.nodes.back().outputs[0], "scores");
  expect_same_function(original, graph, 1e-5f);
}

}  // namespace
}  // namespace halftone

#include "halftone/ptq/start.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/base/registry.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/passes/separate_skips.h"

namespace halftone {
namespace {

// image -> conv0 -> Relu -> a; a -> conv1 -> c; a + c -> Relu -> b; b -> conv2 -> y.
Model residual_model() {
  Model model;
  Graph& g = model.graph;
  const SymbolicShape shape{Dim::of(1), Dim::of(2), Dim::of(4), Dim::of(4)};
  g.inputs = {{"image", {DType::kFloat, shape}, {}}};
  g.outputs = {{"y", {DType::kFloat, shape}, {}}};
  for (const std::string weight : {"w0", "w1", "w2"})
    g.initializers[weight] = Tensor::of<float>({2, 2, 1, 1}, {0.5f, -0.25f, 1.0f, 0.75f});
  g.nodes = {{.op_type = "Conv", .inputs = {"image", "w0"}, .outputs = {"s"}},
             {.op_type = "Relu", .inputs = {"s"}, .outputs = {"a"}},
             {.op_type = "Conv", .inputs = {"a", "w1"}, .outputs = {"c"}},
             {.op_type = "Add", .inputs = {"a", "c"}, .outputs = {"sum"}},
             {.op_type = "Relu", .inputs = {"sum"}, .outputs = {"b"}},
             {.op_type = "Conv", .inputs = {"b", "w2"}, .outputs = {"y"}}};
  infer_shapes(g);
  return model;
}

struct Settled {
  Dequantized parts;
  Placement placement;
  std::map<std::string, QuantSpec> specs;
};

Settled settle(const Model& model, const QuantizeOptions& options,
               const char* target = "onnxruntime") {
  Settled result{start_of(model, options), {}, {}};
  result.placement =
      settled_placement(result.parts, Registry<Profile>::get(target), options, result.specs);
  return result;
}

std::map<std::string, QuantSpec> specs_of(const QuantizeOptions& options,
                                          const char* target = "onnxruntime") {
  return settle(residual_model(), options, target).specs;
}

QuantizeOptions planned(const std::string& sites) {
  const std::string text = "{\"sites\": " + sites + "}";
  return {.plan = parse_plan(text, "plan.json"), .plan_text = text, .plan_source = "plan.json"};
}

TEST(Start, ANarrowLayerLeavesTheSkipItsEightBits) {
  const auto specs = specs_of({.weights = 4, .activations = 4});
  EXPECT_EQ(specs.at("a").bits, 4) << "what the layer reads";
  EXPECT_EQ(specs.at("a_skip").bits, 8) << "what the Add reads";
  EXPECT_FALSE(specs.contains("b_skip")) << "no Add reads it";
}

TEST(Start, NothingIsSeparatedWhereItGainsNothing) {
  EXPECT_FALSE(specs_of({.weights = 4, .activations = 8}).contains("a_skip"));
  EXPECT_FALSE(specs_of({.activations = 4, .fixes = {"a=8"}}).contains("a_skip"));
  EXPECT_FALSE(specs_of({.activations = 4, .fixes = {"*=4"}}).contains("a_skip"));
  EXPECT_FALSE(specs_of({.activations = 4, .shares_skips = true}).contains("a_skip"));
  EXPECT_FALSE(specs_of({.activations = 4}, "openvino").contains("a_skip"))
      << "its optimizers may join neighbouring Q and DQ";
  EXPECT_FALSE(specs_of(planned(R"({"a": 8, "a_skip": 8})")).contains("a_skip"));
  EXPECT_FALSE(specs_of(planned(R"({"a": 4, "a_skip": 4})")).contains("a_skip"));
}

TEST(Start, ASkipTakesBitsByItsName) {
  EXPECT_EQ(specs_of({.activations = 4, .fixes = {"a_skip=6"}}).at("a_skip").bits, 6);
  EXPECT_EQ(specs_of({.activations = 8, .fixes = {"a=5"}}).at("a_skip").bits, 8);
}

TEST(Start, ASkipOfOtherLayersStaysWithThem) {
  Model model = residual_model();
  Graph& g = model.graph;
  g.nodes.push_back({.op_type = "MaxPool",
                     .inputs = {"a"},
                     .outputs = {"m"},
                     .attributes = {{"kernel_shape", std::vector<int64_t>{2, 2}}}});
  g.nodes.push_back({.op_type = "Conv", .inputs = {"m", "w1"}, .outputs = {"z"}});
  g.outputs.push_back({"z", {DType::kFloat, std::nullopt}, {}});
  infer_shapes(g);
  const Settled settled = settle(model, {.weights = 4, .activations = 4});
  EXPECT_EQ(settled.specs.at("a").bits, 4);
  EXPECT_EQ(settled.specs.at("a_skip").bits, 8);
  EXPECT_EQ(settled.placement.find("m", SiteKind::kActivation)->shares_with, "a")
      << "what is pooled is multiplied too";
}

TEST(Start, AShortcutBetweenShapesHasTheBitsOfItsSkip) {
  Model model = residual_model();
  Graph& g = model.graph;
  const auto ints = [](const std::vector<int64_t>& values) {
    return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
  };
  g.initializers["from"] = ints({0, 0});
  g.initializers["to"] = ints({3, 4});
  g.initializers["axes"] = ints({2, 3});
  g.initializers["pads"] = ints({0, 0, 0, 0, 0, 0, 1, 0});
  g.nodes[3].inputs[0] = "padded";
  const std::vector<Node> shortcut = {
      {.op_type = "Slice", .inputs = {"a", "from", "to", "axes"}, .outputs = {"sliced"}},
      {.op_type = "Pad", .inputs = {"sliced", "pads"}, .outputs = {"padded"}}};
  g.nodes.insert(g.nodes.begin() + 3, shortcut.begin(), shortcut.end());
  infer_shapes(g);
  const Settled settled = settle(model, {.weights = 4, .activations = 4});
  EXPECT_EQ(settled.specs.at("a").bits, 4);
  EXPECT_EQ(settled.specs.at("a_skip").bits, 8);
  for (const char* site : {"sliced", "padded"})
    EXPECT_EQ(settled.placement.find(site, SiteKind::kActivation)->shares_with, "a_skip");
}

TEST(Start, ASeparatedAddStaysAnInteger) {
  // Both sides of the Add are made by operators in float: its codes are those that the layer reads.
  Model model = residual_model();
  Graph& g = model.graph;
  g.nodes[1].op_type = "HardSwish";
  g.nodes.insert(g.nodes.begin() + 3, {.op_type = "HardSwish", .inputs = {"c"}, .outputs = {"h"}});
  g.nodes[4].inputs = {"a", "h"};
  infer_shapes(g);
  for (bool shares : {false, true}) {
    const Settled settled = settle(model, {.activations = 4, .shares_skips = shares});
    const auto& floats = settled.placement.float_operators;
    EXPECT_EQ(std::ranges::count(floats, "Add", &FloatOperator::op), 0) << shares;
  }
}

TEST(Start, AnotherStartJoinsWhatWasSeparated) {
  Settled first = settle(residual_model(), {.weights = 4, .activations = 4});
  EXPECT_EQ(separated_skips(first.parts.model.graph), std::set<std::string>{"a"});
  const Settled again =
      settle(first.parts.model, {.weights = 8, .activations = 8, .requantize = true});
  EXPECT_TRUE(separated_skips(again.parts.model.graph).empty());
  EXPECT_FALSE(again.specs.contains("a_skip"));
}

}  // namespace
}  // namespace halftone

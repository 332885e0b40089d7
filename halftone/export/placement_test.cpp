#include "halftone/export/placement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/export/prepare.h"
#include "halftone/export/qdq.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

const Profile& onnxruntime() { return Registry<Profile>::get("onnxruntime"); }

Value value(const std::string& name, SymbolicShape shape) {
  return {name, {DType::kFloat, std::move(shape)}, {}};
}

Tensor weights(Shape shape) {
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3;
  return Tensor::of<float>(std::move(shape), std::move(values));
}

// image -> conv1+relu1 -> conv2 -> + relu1 -> relu2 -> GlobalAveragePool -> Flatten -> Gemm ->
// logits
Model residual() {
  Model model;
  Graph& g = model.graph;
  g.inputs = {value("image", {{-1, "batch"}, Dim::of(3), Dim::of(8), Dim::of(8)})};
  g.outputs = {value("logits", {{-1, "batch"}, Dim::of(5)})};
  g.initializers["w1"] = weights({4, 3, 1, 1});
  g.initializers["w2"] = weights({4, 4, 1, 1});
  g.initializers["b2"] = weights({4});
  g.initializers["fc"] = weights({5, 4});
  g.nodes = {
      {.name = "conv1", .op_type = "Conv", .inputs = {"image", "w1"}, .outputs = {"c1"}},
      {.name = "relu1", .op_type = "Relu", .inputs = {"c1"}, .outputs = {"r1"}},
      {.name = "conv2", .op_type = "Conv", .inputs = {"r1", "w2", "b2"}, .outputs = {"c2"}},
      {.name = "add", .op_type = "Add", .inputs = {"c2", "r1"}, .outputs = {"a"}},
      {.name = "relu2", .op_type = "Relu", .inputs = {"a"}, .outputs = {"r2"}},
      {.name = "pool", .op_type = "GlobalAveragePool", .inputs = {"r2"}, .outputs = {"p"}},
      {.name = "flatten", .op_type = "Flatten", .inputs = {"p"}, .outputs = {"f"}},
      {.name = "fc",
       .op_type = "Gemm",
       .inputs = {"f", "fc"},
       .outputs = {"logits"},
       .attributes = {{"transB", int64_t{1}}}},
  };
  return prepare(model);
}

std::set<std::string> activations(const Placement& placement) {
  std::set<std::string> names;
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation) names.insert(site.name);
  return names;
}

QuantizedSites constant_sites(const Model& model, const Placement& placement, int bits = 8) {
  QuantizedSites sites;
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kActivation)
      sites.activations[site.name] = affine_params(0, 1, bits, full_range(bits, false));
    if (site.kind != SiteKind::kWeight) continue;
    const Tensor& weight = model.graph.initializers.at(site.name);
    QuantParams params{std::vector<float>(static_cast<size_t>(weight.shape()[0]), 0.1f),
                       std::vector<int32_t>(static_cast<size_t>(weight.shape()[0])),
                       0,
                       8,
                       {-64, 64}};
    sites.weights.emplace(site.name, quantize_tensor(weight, params, site.name));
  }
  return sites;
}

TEST(Placement, NamesSitesAfterTheLastTensorOfTheirGroup) {
  const Model model = residual();
  const Placement placement = place(model.graph, onnxruntime(), {});
  EXPECT_EQ(activations(placement), (std::set<std::string>{"image", "r1", "c2", "r2", "p", "f"}));
  EXPECT_TRUE(placement.find("r1", SiteKind::kActivation)->is_non_negative);
  EXPECT_FALSE(placement.find("c2", SiteKind::kActivation)->is_non_negative);
  EXPECT_EQ(placement.find("f", SiteKind::kActivation)->shares_with, "p");
  EXPECT_NE(placement.find("b2", SiteKind::kBias), nullptr);
  EXPECT_TRUE(placement.float_operators.empty());
}

TEST(Placement, ASiteInFloatTakesItsOperatorsAlong) {
  const Model model = residual();
  const Placement weight = place(model.graph, onnxruntime(), {"w2"});
  EXPECT_EQ(weight.find("w2", SiteKind::kWeight), nullptr);
  ASSERT_FALSE(weight.float_operators.empty());
  EXPECT_EQ(weight.float_operators[0].node, "conv2");
  EXPECT_NE(weight.float_operators[0].reason.find("w2"), std::string::npos);
  const Placement activation = place(model.graph, onnxruntime(), {"r1"});
  EXPECT_FALSE(activations(activation).contains("r1"));
  for (const char* node : {"conv1", "conv2", "add"})
    EXPECT_TRUE(std::ranges::any_of(activation.float_operators, [&](const FloatOperator& op) {
      return op.node == node;
    })) << node;
}

TEST(Placement, TensorRtLeavesTheResidualBranchToTheConvolution) {
  const Model model = residual();
  const Placement placement = place(model.graph, Registry<Profile>::get("tensorrt"), {});
  const auto names = activations(placement);
  EXPECT_FALSE(names.contains("c2"));
  EXPECT_TRUE(names.contains("r1"));
  EXPECT_TRUE(names.contains("image"));
  EXPECT_FALSE(names.contains("logits"));
  EXPECT_EQ(placement.find("b2", SiteKind::kBias), nullptr);
}

TEST(Qdq, EveryReaderHasItsOwnDequantizerAndSharesTheParameters) {
  const Model model = residual();
  const Placement placement = place(model.graph, onnxruntime(), {});
  const Model out = write_qdq(model, placement, constant_sites(model, placement), onnxruntime());
  std::map<std::string, int> readers;
  for (const Node& node : out.graph.nodes)
    for (const std::string& input : node.inputs) ++readers[input];
  for (const Node& node : out.graph.nodes) {
    if (node.op_type == "DequantizeLinear") {
      EXPECT_EQ(readers[node.outputs[0]], 1) << node.outputs[0];
    }
  }
  EXPECT_EQ(out.graph.initializers.count("p_scale"), 1u);
  EXPECT_EQ(out.graph.initializers.count("f_scale"), 0u)
      << "Flatten only moves codes: the same initializers";
  EXPECT_FALSE(out.graph.initializers.contains("w1")) << "the float weight is gone";
  EXPECT_EQ(out.graph.initializers.at("w1_quantized").dtype(), DType::kInt8);
  EXPECT_EQ(out.graph.inputs[0].name, "image");
  EXPECT_EQ(out.graph.outputs[0].name, "logits");
}

TEST(Qdq, BiasScaleIsTheFloatProductInThatOrder) {
  const Model model = residual();
  const Placement placement = place(model.graph, onnxruntime(), {});
  const QuantizedSites sites = constant_sites(model, placement);
  const Model out = write_qdq(model, placement, sites, onnxruntime());
  const auto scales = out.graph.initializers.at("b2_scale").to_vector<float>();
  for (size_t c = 0; c < scales.size(); ++c)
    EXPECT_EQ(scales[c],
              sites.activations.at("r1").scales[0] * sites.weights.at("w2").params.scales[c]);
}

TEST(Qdq, NarrowActivationsAreClippedOncePerScale) {
  const Model model = residual();
  const Placement placement = place(model.graph, onnxruntime(), {});
  const Model out = write_qdq(model, placement, constant_sites(model, placement, 4), onnxruntime());
  int clips = 0;
  for (const Node& node : out.graph.nodes) clips += node.op_type == "Clip";
  EXPECT_EQ(clips, 5) << "image, r1, c2, r2, p; f only moves codes";
  EXPECT_EQ(out.graph.initializers.at("halftone_bound_15").dtype(), DType::kUint8);
}

TEST(Qdq, BiasThatWouldOverflowWidensItsScale) {
  QuantParams weight{{1e-9f, 1.0f}, {0, 0}, 0, 8, {-64, 64}};
  const QuantParams input{{1e-3f}, {0}, -1, 8, {0, 255}};
  fit_bias(weight, {5.0f, 5.0f}, input, 576);
  const double code = 5.0 / (1e-3 * static_cast<double>(weight.scales[0]));
  EXPECT_LE(code, 0x1p30 - 576.0 * 64 * 255 + 1);
  EXPECT_EQ(weight.scales[1], 1.0f);
}

}  // namespace
}  // namespace halftone

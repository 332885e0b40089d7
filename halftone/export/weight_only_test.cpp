#include "halftone/export/weight_only.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/interpreter.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/quant/weight_scales.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

using ::testing::HasSubstr;

const Profile& onnxruntime() { return Registry<Profile>::get("onnxruntime"); }

Node gemm(const std::string& name, const std::string& input, const std::string& output,
          Attributes attributes = {}) {
  return {.name = name,
          .op_type = "Gemm",
          .inputs = {input, name + ".weight"},
          .outputs = {output},
          .attributes = std::move(attributes)};
}

// x [n, 40] -> MatMul -> Gemm transB -> y [n, 8].
Model products() {
  Model model;
  Graph& g = model.graph;
  model.opsets[""] = 13;
  g.inputs = {float_value("x", {{-1, "n"}, Dim::of(40)})};
  g.outputs = {float_value("y", {{-1, "n"}, Dim::of(8)})};
  g.initializers["a.weight"] = Tensor::of<float>({40, 24}, random_values(960, 1));
  g.initializers["b.weight"] = Tensor::of<float>({8, 24}, random_values(192, 2));
  g.nodes = {{.name = "a", .op_type = "MatMul", .inputs = {"x", "a.weight"}, .outputs = {"h"}},
             gemm("b", "h", "y", {{"transB", int64_t{1}}})};
  return model;
}

std::vector<float> output_of(const Graph& graph) {
  const std::map<std::string, Tensor> inputs{
      {"x", Tensor::of<float>({5, 40}, random_values(200, 3))}};
  return interpret(graph, inputs).at(0).to_vector<float>();
}

TEST(UntransposeGemms, LeavesTheFunctionUnchanged) {
  Model model = prepare(products());
  const auto before = output_of(model.graph);
  untranspose_gemms(model.graph);
  EXPECT_EQ(model.graph.initializers.at("b.weight").shape(), (Shape{24, 8}));
  EXPECT_EQ(model.graph.nodes.back().int_or("transB", 0), 0);
  const auto after = output_of(model.graph);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-5);
}

TEST(UntransposeGemms, LeavesAWeightAloneThatOthersRead) {
  Model model = products();
  model.graph.nodes.push_back(gemm("c", "y", "z"));
  model.graph.nodes.back().inputs[1] = "b.weight";
  untranspose_gemms(model.graph);
  EXPECT_EQ(model.graph.initializers.at("b.weight").shape(), (Shape{8, 24}));
}

TEST(FloatWeights, SaysWhatKeepsAWeightInInt8) {
  Model model = products();
  Graph& g = model.graph;
  const std::vector<bool> none(8, false);
  auto reason = [&](const std::string& name, const char* target = "onnxruntime") {
    return float_weights(g, Registry<Profile>::get(target), none).at(name);
  };
  EXPECT_EQ(reason("a.weight"), "");
  EXPECT_THAT(reason("b.weight"), HasSubstr("transposed"));
  EXPECT_THAT(reason("a.weight", "openvino"), HasSubstr("openvino"));
  g.nodes[1].attributes = {{"alpha", 2.0f}};
  EXPECT_THAT(reason("b.weight"), HasSubstr("alpha"));
  g.nodes[1].attributes = {};
  EXPECT_EQ(reason("b.weight"), "");
  EXPECT_FALSE(float_weights(g, onnxruntime(), {true, false}).contains("a.weight"))
      << "an integer operator reads it";
  g.nodes.push_back({.op_type = "Abs", .inputs = {"b.weight"}, .outputs = {"abs"}});
  EXPECT_FALSE(float_weights(g, onnxruntime(), none).contains("b.weight"))
      << "somebody reads it as it is";
}

TEST(ByMaxAndMin, GivesTheSameValuesAndCanonicalFormGoesBack) {
  const std::map<std::string, float> bounds{{"zero", 0}, {"low", -0.5f}, {"high", 0.75f}};
  const std::vector<Node> activations{
      {.name = "f", .op_type = "Relu", .inputs = {"x"}, .outputs = {"y"}},
      {.name = "f", .op_type = "Clip", .inputs = {"x", "low", "high"}, .outputs = {"y"}},
      {.name = "f", .op_type = "Clip", .inputs = {"x", "low"}, .outputs = {"y"}},
      {.name = "f", .op_type = "Clip", .inputs = {"x", "", "high"}, .outputs = {"y"}},
      {.name = "f", .op_type = "Clip", .inputs = {"x"}, .outputs = {"y"}}};
  for (const Node& activation : activations) {
    Graph before = products().graph, after = before;
    for (Graph* graph : {&before, &after})
      for (const auto& [name, bound] : bounds)
        graph->initializers[name] = Tensor::scalar<float>(bound);
    before.nodes = {activation};
    after.nodes = by_max_and_min(activation, "zero", "between");
    EXPECT_EQ(output_of(after), output_of(before));
    canonicalize(after);
    if (activation.input(1).empty() == activation.input(2).empty()) {
      EXPECT_EQ(after.nodes.at(0).op_type, activation.op_type);
    }
    EXPECT_EQ(output_of(after), output_of(before));
  }
}

TEST(NarrowType, HoldsCodesAndZeroPoints) {
  for (int bits = 1; bits <= 8; ++bits) {
    const QuantParams params{{1.0f}, {0}, -1, bits, float_weight_codes(bits, false)};
    EXPECT_EQ(narrow_type({{5, 8}, {}, params}), bits <= 2   ? DType::kInt2
                                                 : bits <= 4 ? DType::kInt4
                                                             : DType::kInt8)
        << bits;
    EXPECT_EQ(narrow_type({{8, 6}, {}, params}), bits <= 4 ? DType::kInt4 : DType::kInt8) << bits;
  }
  EXPECT_EQ(narrow_type({{5, 8}, {}, {{1.0f}, {-7}, -1, 2, {-2, 1}}}), DType::kInt4)
      << "a zero point beyond the codes";
}

struct Written {
  QuantizedSites sites;
  Model model;
};

Written written(int bits, int64_t block, bool is_affine) {
  Model model = prepare(products());
  untranspose_gemms(model.graph);
  Placement placement = place(model.graph, onnxruntime(), {"x", "h", "y"});
  place_float_weights(model.graph, onnxruntime(), {}, placement);
  QuantizedSites sites;
  for (const Site& site : placement.sites) {
    EXPECT_TRUE(site.is_weight_only);
    const QuantParams grid{
        {}, {},   block ? 1 - site.axis : site.axis, bits, float_weight_codes(bits, is_affine),
        {}, block};
    const Tensor& weight = model.graph.initializers.at(site.name);
    sites.weights[site.name] = quantize_tensor(
        weight, fitted(grid, weight, {.is_affine = is_affine}, site.name), site.name);
  }
  return {sites, write_qdq(model, placement, sites, onnxruntime())};
}

TEST(WeightOnly, WhatIsWrittenIsRecoveredNumberByNumber) {
  for (int bits : {2, 3, 4, 5, 8})
    for (int64_t block : {0, 16, 64})
      for (bool is_affine : {false, true}) {
        const auto [sites, model] = written(bits, block, is_affine);
        EXPECT_GE(model.opset(), block || bits <= 4 ? (bits == 2 ? 25 : 21) : 13);
        const Dequantized parts = dequantize(prepare(model));
        EXPECT_EQ(parts.quantization(), Quantization::kWeightOnly);
        ASSERT_EQ(parts.sites.weights.size(), 2U);
        for (const auto& [name, weight] : sites.weights) {
          const QuantTensor& found = parts.sites.weights.at(name);
          EXPECT_EQ(found.codes, weight.codes);
          EXPECT_EQ(found.params.scales, weight.params.scales);
          EXPECT_EQ(found.params.zero_points, weight.params.zero_points);
          EXPECT_EQ(found.params.block_size, block);
          EXPECT_EQ(found.params.axis, weight.params.axis);
          EXPECT_EQ(found.params.bits, bits);
        }
        EXPECT_EQ(parts.float_sites().size(), block ? 2U : 0U);
        EXPECT_EQ(output_of(parts.model.graph), output_of(model.graph));
      }
}

}  // namespace
}  // namespace halftone

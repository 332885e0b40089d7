#include "halftone/graph/passes/sum_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/base/rng.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"

namespace halftone {
namespace {

Node dequantize_node(const std::string& x, const std::string& scale, const std::string& zero_point,
                     const std::string& y, int64_t axis) {
  return {.op_type = "DequantizeLinear",
          .inputs = {x, scale, zero_point},
          .outputs = {y},
          .attributes = {{"axis", axis}}};
}

// x (uint8) * w (int8, a scale a channel) + bias (int32) of another scale by `bias_factor`.
Graph quantized_conv(float bias_factor) {
  Graph graph;
  graph.inputs = {
      {"x", {DType::kUint8, SymbolicShape{Dim::of(1), Dim::of(2), Dim::of(4), Dim::of(4)}}, {}}};
  graph.outputs = {
      {"y", {DType::kFloat, SymbolicShape{Dim::of(1), Dim::of(3), Dim::of(4), Dim::of(4)}}, {}}};
  Rng rng(5);
  std::vector<int8_t> weight(3 * 2 * 9);
  for (int8_t& code : weight) code = static_cast<int8_t>(rng.uniform() * 128 - 64);
  const std::vector<float> scales{0.01f, 0.02f, 0.005f};
  std::vector<float> bias_scales = scales;
  for (float& scale : bias_scales) scale *= 0.03f, scale *= bias_factor;
  graph.initializers["w"] = Tensor::of<int8_t>({3, 2, 3, 3}, std::move(weight));
  graph.initializers["w.scale"] = Tensor::of<float>({3}, scales);
  graph.initializers["w.zero"] = Tensor::of<int8_t>({3}, {0, 0, 0});
  graph.initializers["x.scale"] = Tensor::scalar<float>(0.03f);
  graph.initializers["x.zero"] = Tensor::scalar<uint8_t>(17);
  graph.initializers["b"] = Tensor::of<int32_t>({3}, {1000, -500, 77});
  graph.initializers["b.scale"] = Tensor::of<float>({3}, bias_scales);
  graph.initializers["b.zero"] = Tensor::of<int32_t>({3}, {0, 0, 0});
  graph.nodes = {dequantize_node("x", "x.scale", "x.zero", "xf", 1),
                 dequantize_node("w", "w.scale", "w.zero", "wf", 0),
                 dequantize_node("b", "b.scale", "b.zero", "bf", 0),
                 {.op_type = "Conv",
                  .inputs = {"xf", "wf", "bf"},
                  .outputs = {"y"},
                  .attributes = {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}}};
  infer_shapes(graph);
  return graph;
}

std::vector<float> outputs_of(const Graph& graph) {
  std::vector<uint8_t> x(32);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<uint8_t>(i * 7);
  return interpret(graph, {{"x", Tensor::of<uint8_t>({1, 2, 4, 4}, std::move(x))}})
      .at(0)
      .to_vector<float>();
}

TEST(SumCodes, KeepsTheFunctionAndSumsWholeNumbers) {
  const Graph graph = quantized_conv(1);
  Graph summed = graph;
  sum_codes(summed);
  EXPECT_EQ(summed.nodes.back().op_type, "Mul");
  const auto before = outputs_of(graph), after = outputs_of(summed);
  const std::vector<float> scales =
      summed.initializers.at(summed.nodes.back().inputs[1]).to_vector<float>();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_NEAR(after[i], before[i], 1e-5f * (1 + std::abs(before[i])));
    const float sum = after[i] / scales[i / 16];
    EXPECT_NEAR(sum, std::round(sum), 1e-2f);
  }
}

// quantized_conv, Relu, QuantizeLinear.
Graph quantized_layer(float x_scale, const std::vector<float>& scales, float y_scale) {
  Graph graph = quantized_conv(1);
  graph.initializers["x.scale"] = Tensor::scalar<float>(x_scale);
  graph.initializers["w.scale"] = Tensor::of<float>({3}, scales);
  std::vector<float> bias_scales = scales;
  for (float& scale : bias_scales) scale *= x_scale;
  graph.initializers["b.scale"] = Tensor::of<float>({3}, bias_scales);
  graph.initializers["y.scale"] = Tensor::scalar<float>(y_scale);
  graph.initializers["y.zero"] = Tensor::scalar<uint8_t>(3);
  graph.nodes.push_back({.op_type = "Relu", .inputs = {"y"}, .outputs = {"r"}});
  graph.nodes.push_back(
      {.op_type = "QuantizeLinear", .inputs = {"r", "y.scale", "y.zero"}, .outputs = {"q"}});
  graph.outputs = {{"q", {DType::kUint8, graph.outputs[0].type.shape}, {}}};
  infer_shapes(graph);
  return graph;
}

// round(float(sum) * ((s_x * s_w) / s_y)) + zero point, which dividing by s_y last is not: with
// every seed one of the sums is within float rounding of a tie.
TEST(SumCodes, RoundsAsIntegerKernelsDo) {
  const std::vector<float> sums = outputs_of([] {
    Graph graph = quantized_layer(1, {1, 1, 1}, 1);
    graph.nodes.resize(4);
    graph.outputs = {{"y", {DType::kFloat, graph.outputs[0].type.shape}, {}}};
    return graph;
  }());
  int flipped = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const auto draw = [&] { return static_cast<float>(0.01 + rng.uniform()); };
    const float x_scale = draw(), y_scale = draw();
    std::vector<float> scales(3);
    const float sum = sums[seed % sums.size()];
    for (float& scale : scales) scale = y_scale / x_scale * (20.5f / std::max(sum, 1.0f));
    Graph graph = quantized_layer(x_scale, scales, y_scale), summed = graph;
    sum_codes(summed);
    std::vector<float> wanted;
    for (size_t i = 0; i < sums.size(); ++i) {
      const float m = (x_scale * scales[i / 16]) / y_scale;
      wanted.push_back(std::clamp(std::nearbyint(std::max(sums[i] * m, 0.0f)) + 3, 0.0f, 255.0f));
    }
    EXPECT_EQ(outputs_of(summed), wanted) << "seed " << seed;
    flipped += outputs_of(graph) != wanted;
  }
  EXPECT_GT(flipped, 0);
}

// A Clip between the sum and its quantizer: its limits count in steps. Without limits it is none.
TEST(SumCodes, AClipBeforeTheQuantizerKeepsItsLimits) {
  using Limits = std::vector<std::string>;
  for (const Limits& limits : {Limits{"low", "high"}, Limits{"", "high"}, Limits{"low"}}) {
    Graph graph = quantized_layer(0.03f, {0.01f, 0.02f, 0.005f}, 0.05f);
    graph.initializers["low"] = Tensor::scalar<float>(0.1f);
    graph.initializers["high"] = Tensor::scalar<float>(2.0f);
    graph.nodes[4].op_type = "Clip";
    graph.nodes[4].inputs.insert(graph.nodes[4].inputs.end(), limits.begin(), limits.end());
    infer_shapes(graph);
    Graph summed = graph;
    sum_codes(summed);
    EXPECT_EQ(summed.initializers.at(summed.nodes.back().inputs[1]).item<float>(), 1);
    const auto codes = outputs_of(summed);
    EXPECT_EQ(codes, outputs_of(graph));
    EXPECT_EQ(*std::ranges::min_element(codes), limits[0].empty() ? 0 : 2 + 3);
    if (limits.size() < 2) continue;
    EXPECT_EQ(*std::ranges::max_element(codes), 40 + 3);
  }
}

TEST(SumCodes, LeavesABiasOfAnotherScale) {
  Graph graph = quantized_conv(3);
  sum_codes(graph);
  EXPECT_EQ(graph.nodes.back().op_type, "Conv");
}

}  // namespace
}  // namespace halftone

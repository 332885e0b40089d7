#include "halftone/graph/cost.h"

#include <gtest/gtest.h>

#include "halftone/graph/infer_shapes.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

Tensor zeros(Shape shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return Tensor::of<float>(shape, std::vector<float>(static_cast<size_t>(count)));
}

// Counted by hand, of one sample:
//   conv    4 -> 6 in two groups, 3x3, stride 2 over 8x8: 6 * 4 * 4 outputs of 2 * 9 products
//   up      6 -> 5, 2x2, stride 2 over 4x4: every weight once for each of 16 inputs
//   gemm    320 -> 7
//   matmul  7 -> 3
Graph network() {
  Graph g;
  g.inputs = {float_value("x", {{-1, "batch"}, Dim::of(4), Dim::of(8), Dim::of(8)})};
  g.outputs = {float_value("y", {{-1, "batch"}, Dim::of(3)})};
  g.initializers = {{"conv.w", zeros({6, 2, 3, 3})}, {"conv.b", zeros({6})},
                    {"up.w", zeros({6, 5, 2, 2})},   {"gemm.w", zeros({7, 320})},
                    {"gemm.b", zeros({7})},          {"matmul.w", zeros({7, 3})}};
  g.nodes = {
      {.name = "conv",
       .op_type = "Conv",
       .inputs = {"x", "conv.w", "conv.b"},
       .outputs = {"a"},
       .attributes = {{"group", int64_t{2}}, {"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}},
      {.name = "up",
       .op_type = "ConvTranspose",
       .inputs = {"a", "up.w"},
       .outputs = {"b"},
       .attributes = {{"strides", Ints{2, 2}}}},
      {.name = "flatten", .op_type = "Flatten", .inputs = {"b"}, .outputs = {"c"}},
      {.name = "gemm",
       .op_type = "Gemm",
       .inputs = {"c", "gemm.w", "gemm.b"},
       .outputs = {"d"},
       .attributes = {{"transB", int64_t{1}}}},
      {.name = "matmul", .op_type = "MatMul", .inputs = {"d", "matmul.w"}, .outputs = {"y"}}};
  infer_shapes(g);
  return g;
}

TEST(Cost, CountsParametersAndProducts) {
  const Cost cost = cost_of(network());
  const std::vector<std::tuple<std::string, uint64_t, uint64_t>> wanted = {
      {"conv", 108 + 6, 96 * 18},
      {"up", 120, 16 * 120},
      {"gemm", 2240 + 7, 2240},
      {"matmul", 21, 21}};
  ASSERT_EQ(cost.layers.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto& [name, parameters, macs] = wanted[i];
    EXPECT_EQ(cost.layers[i].name, name);
    EXPECT_EQ(cost.layers[i].parameters, parameters) << name;
    EXPECT_EQ(cost.layers[i].macs, macs) << name;
    EXPECT_EQ(cost.layers[i].bops(), macs * 32 * 32) << name;
  }
  EXPECT_EQ(cost.parameters, 114u + 120 + 2247 + 21);
  EXPECT_EQ(cost.macs, 1728u + 1920 + 2240 + 21);
  EXPECT_EQ(cost.stored_bytes, 4 * cost.parameters);
}

// x in codes of 4 bits (a Clip between Q and DQ), weights in codes that fit 3.
TEST(Cost, CountsBitOperationsOfWhatIsQuantized) {
  Graph g;
  g.inputs = {float_value("x", {{-1, "batch"}, Dim::of(5)})};
  g.outputs = {float_value("y", {{-1, "batch"}, Dim::of(2)})};
  const auto scalar = [](auto value) { return Tensor::of<decltype(value)>({}, {value}); };
  g.initializers = {{"s", scalar(0.1f)},
                    {"z", scalar(uint8_t{0})},
                    {"low", scalar(uint8_t{0})},
                    {"high", scalar(uint8_t{15})},
                    {"w", Tensor::of<int8_t>({5, 2}, {-4, 3, 0, 1, 2, 3, -1, -2, -3, -4})}};
  g.nodes = {{.op_type = "QuantizeLinear", .inputs = {"x", "s", "z"}, .outputs = {"q"}},
             {.op_type = "Clip", .inputs = {"q", "low", "high"}, .outputs = {"c"}},
             {.op_type = "DequantizeLinear", .inputs = {"c", "s", "z"}, .outputs = {"d"}},
             {.op_type = "DequantizeLinear", .inputs = {"w", "s"}, .outputs = {"wd"}},
             {.name = "m", .op_type = "MatMul", .inputs = {"d", "wd"}, .outputs = {"y"}}};
  infer_shapes(g);
  const Cost cost = cost_of(g);
  ASSERT_EQ(cost.layers.size(), 1u);
  EXPECT_EQ(cost.layers[0].weight, "w");
  EXPECT_EQ(cost.layers[0].weight_bits, 3);
  EXPECT_EQ(cost.layers[0].activation_bits, 4);
  EXPECT_EQ(cost.layers[0].bops(), 10u * 3 * 4);
  // What the file says of a site comes before what its codes would fit.
  EXPECT_EQ(cost_of(g, {{"w", 3.5}}).layers[0].bops(), 10u * 14);
}

}  // namespace
}  // namespace halftone

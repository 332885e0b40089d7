#include "halftone/ptq/start.h"

#include <gtest/gtest.h>

#include "halftone/base/registry.h"
#include "halftone/graph/infer_shapes.h"

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

std::map<std::string, QuantSpec> specs_of(const QuantizeOptions& options) {
  const Dequantized parts = start_of(residual_model(), options);
  std::map<std::string, QuantSpec> specs;
  settled_placement(parts, Registry<Profile>::get("onnxruntime"), options, specs);
  return specs;
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
}

TEST(Start, ASkipTakesBitsByItsName) {
  EXPECT_EQ(specs_of({.activations = 4, .fixes = {"a_skip=6"}}).at("a_skip").bits, 6);
  EXPECT_EQ(specs_of({.activations = 8, .fixes = {"a=5"}}).at("a_skip").bits, 8);
}

}  // namespace
}  // namespace halftone

#include <gtest/gtest.h>

#include "halftone/graph/ops/node_under_test.h"

namespace halftone {
namespace {

using namespace testing_ops;
using Ints = std::vector<int64_t>;

TEST(ShapeInference, BatchGoesThroughConvolutionAndPooling) {
  EXPECT_EQ(inferred_shape("Conv", {{{"batch", 3, 32, 32}}, {{16, 3, 3, 3}}},
                           {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}),
            "[batch,16,16,16]");
  EXPECT_EQ(inferred_shape("MaxPool", {{{"batch", 3, "h", 8}}}, {{"kernel_shape", Ints{2, 2}}}),
            "[batch,3,?,7]");
  EXPECT_EQ(inferred_shape("GlobalAveragePool", {{{"batch", 64, "h", "w"}}}), "[batch,64,1,1]");
}

TEST(ShapeInference, ConvolutionThatKeepsTheSizeKeepsSymbolsOfSpace) {
  const Attributes same{{"pads", Ints{1, 1, 1, 1}}};
  EXPECT_EQ(inferred_shape("Conv", {{{"n", 3, "h", "w"}}, {{8, 3, 3, 3}}}, same), "[n,8,h,w]");
  EXPECT_EQ(inferred_shape("Conv", {{{"n", 3, "h", "w"}}, {{8, 3, 5, 5}}}, same), "[n,8,?,?]");
}

TEST(ShapeInference, BroadcastingMeetsSymbolsAndOnes) {
  EXPECT_EQ(inferred_shape("Add", {{{"n", 1, 4}}, {{1, 5, 4}}}), "[n,5,4]");
  EXPECT_EQ(inferred_shape("Add", {{{"n", 4}}, {{"n", 4}}}), "[n,4]");
  EXPECT_EQ(inferred_shape("Add", {{{"n", 4}}, {{"m", 4}}}), "[?,4]");
  EXPECT_EQ(inferred_shape("Add", {{{"n", 4}}, {{7, 4}}}), "[7,4]");
  EXPECT_THROW(inferred_shape("Add", {{{2, 4}}, {{3, 4}}}), Error);
}

TEST(ShapeInference, ReshapeCancelsWhatStandsOnBothSides) {
  EXPECT_EQ(inferred_shape("Reshape", {{{"batch", 64, 1, 1}}, {int64s({0, -1})}}), "[batch,64]");
  EXPECT_EQ(inferred_shape("Reshape", {{{"batch", 64, 2, 2}}, {int64s({-1, 256})}}), "[batch,256]");
  EXPECT_EQ(inferred_shape("Reshape", {{{"batch", 64, 2, 2}}, {int64s({-1, 128})}}), "[?,128]");
  EXPECT_EQ(inferred_shape("Flatten", {{{"batch", 64, 1, 1}}}), "[batch,64]");
  EXPECT_EQ(inferred_shape("Reshape", {{{"batch", 64}}, {{3}, DType::kInt64}}), "[?,?,?]");
  EXPECT_THROW(inferred_shape("Reshape", {{{2, 3}}, {int64s({4, 2})}}), Error);
  EXPECT_THROW(inferred_shape("Reshape", {{{2, 3}}, {int64s({-1, 4})}}), Error);
}

// y = x.view(x.size(0), -1), as PyTorch writes it.
TEST(ShapeInference, PyTorchsFlatteningIsFolded) {
  Graph graph;
  graph.inputs = {{"x", {DType::kFloat, dims({"batch", 64, 2, 2})}, {}}};
  graph.initializers = {
      {"zero", Tensor::scalar<int64_t>(0)}, {"rest", int64s({-1})}, {"first", int64s({0})}};
  graph.nodes = {
      node("Shape", {"x"}, {"shape"}),
      node("Gather", {"shape", "zero"}, {"batch"}),
      node("Unsqueeze", {"batch", "first"}, {"batch_1d"}),
      node("Concat", {"batch_1d", "rest"}, {"target"}, {{"axis", int64_t{0}}}),
      node("Reshape", {"x", "target"}, {"y"}),
  };
  infer_shapes(graph);
  EXPECT_EQ(to_string(*graph.value_types["y"].shape), "[batch,256]");
}

// size = Shape(x)[2:] * 2, then Resize to it: known though the batch is not.
TEST(ShapeInference, ArithmeticOnSpatialSizesIsKnownUnderSymbolicBatch) {
  Graph graph;
  graph.inputs = {{"x", {DType::kFloat, dims({"batch", 8, 5, 7})}, {}}};
  graph.initializers = {{"two", int64s({2})}, {"four", int64s({4})}, {"zero", int64s({0})}};
  graph.nodes = {
      node("Shape", {"x"}, {"shape"}),
      node("Slice", {"shape", "two", "four", "zero"}, {"space"}),
      node("Mul", {"space", "two"}, {"doubled"}),
      node("Slice", {"shape", "zero", "two", "zero"}, {"front"}),
      node("Concat", {"front", "doubled"}, {"sizes"}, {{"axis", int64_t{0}}}),
      node("Resize", {"x", "", "", "sizes"}, {"y"}),
  };
  const auto known = infer_shapes(graph).values;
  ASSERT_TRUE(known.contains("doubled"));
  EXPECT_EQ(known.at("doubled"), int64s({10, 14}));
  EXPECT_EQ(to_string(*graph.value_types["y"].shape), "[batch,8,10,14]");
}

TEST(ShapeInference, NegativeNumbersTravelThroughShapeArithmetic) {
  Graph graph;
  graph.initializers = {{"one", int64s({1})}, {"two", int64s({2})}, {"three", int64s({3})}};
  graph.inputs = {{"x", {DType::kFloat, dims({"batch", 6})}, {}}};
  graph.nodes = {
      node("Sub", {"one", "two"}, {"minus"}),
      node("Concat", {"minus", "three"}, {"target"}, {{"axis", int64_t{0}}}),
      node("Reshape", {"x", "target"}, {"y"}),
  };
  infer_shapes(graph);
  EXPECT_EQ(to_string(*graph.value_types["y"].shape), "[?,3]");
}

TEST(ShapeInference, MatricesAndMovementsKeepTheBatch) {
  EXPECT_EQ(inferred_shape("MatMul", {{{"n", 8, 5, 6}}, {{6, 7}}}), "[n,8,5,7]");
  EXPECT_EQ(inferred_shape("Gemm", {{{"n", 6}}, {{7, 6}}, {{7}}}, {{"transB", int64_t{1}}}),
            "[n,7]");
  EXPECT_EQ(inferred_shape("Transpose", {{{"n", 3, 4}}}, {{"perm", Ints{2, 0, 1}}}), "[4,n,3]");
  EXPECT_EQ(inferred_shape("Concat", {{{"n", 3}}, {{"n", 4}}}, {{"axis", int64_t{1}}}), "[n,7]");
  EXPECT_EQ(inferred_shape("Concat", {{{"n", 3}}, {{"n", 3}}}, {{"axis", int64_t{0}}}), "[?,3]");
  EXPECT_EQ(inferred_shape("Split", {{{"n", 7}}}, {{"axis", int64_t{1}}}, 1), "[n,3]");
  EXPECT_EQ(
      inferred_shape("Slice", {{{"n", 9}}, {int64s({2})}, {int64s({INT64_MAX})}, {int64s({1})}}),
      "[n,7]");
  EXPECT_EQ(
      inferred_shape("Slice", {{{"n", 9}}, {int64s({0})}, {int64s({INT64_MAX})}, {int64s({0})}}),
      "[n,9]");
  EXPECT_EQ(inferred_shape("ReduceMean", {{{"n", 8, 5, 5}}, {int64s({2, 3})}},
                           {{"keepdims", int64_t{0}}}),
            "[n,8]");
  EXPECT_EQ(inferred_shape("Pad", {{{"n", 8}}, {int64s({0, 1, 0, 2})}}), "[n,11]");
}

TEST(ShapeInference, UnknownRankStaysUnknown) {
  const ValueType nothing;
  Graph graph;
  graph.inputs = {{"x", {DType::kFloat, std::nullopt}, {}}};
  graph.nodes = {node("Relu", {"x"}, {"y"})};
  infer_shapes(graph);
  EXPECT_FALSE(graph.value_types["y"].shape);
  EXPECT_EQ(graph.value_types["y"].dtype, DType::kFloat);
}

}  // namespace
}  // namespace halftone

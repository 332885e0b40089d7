// Every native operator between codes against the reference kernels on the same QDQ graph.
#include "halftone/runtime/native_op.h"

#include <gtest/gtest.h>

#include "halftone/base/rng.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/interpreter.h"
#include "halftone/runtime/session.h"
#include "tests/simd_targets.h"

namespace halftone::runtime {
namespace {

// Codes go in, are dequantized, worked on, quantized, and come out as codes.
class OneOperator {
 public:
  explicit OneOperator(Node node) : node_(std::move(node)) { model_.opsets[""] = 21; }

  OneOperator& input(const std::string& name, const Shape& shape, DType dtype, float scale,
                     int zero_point) {
    SymbolicShape dims;
    for (int64_t dim : shape) dims.push_back(Dim::of(dim));
    model_.graph.inputs.push_back({name + "_codes", {dtype, dims}, {}});
    shapes_.push_back(shape);
    scale_and_zero(name, dtype, scale, zero_point);
    model_.graph.nodes.push_back({.name = name + "_dq",
                                  .op_type = "DequantizeLinear",
                                  .inputs = {name + "_codes", name + "_s", name + "_z"},
                                  .outputs = {name}});
    return *this;
  }
  OneOperator& constant(const std::string& name, Tensor value) {
    model_.graph.initializers[name] = std::move(value);
    return *this;
  }
  // A node that stands before the operator.
  OneOperator& before(Node node) {
    model_.graph.nodes.push_back(std::move(node));
    return *this;
  }
  // A weight: codes behind a DequantizeLinear.
  OneOperator& weight(const std::string& name, Tensor codes, std::vector<float> scales,
                      int64_t axis) {
    model_.graph.initializers[name + "_codes"] = std::move(codes);
    model_.graph.initializers[name + "_s"] = Tensor::of<float>(
        scales.size() == 1 ? Shape{} : Shape{static_cast<int64_t>(scales.size())}, scales);
    model_.graph.nodes.push_back({.name = name + "_dq",
                                  .op_type = "DequantizeLinear",
                                  .inputs = {name + "_codes", name + "_s"},
                                  .outputs = {name},
                                  .attributes = {{"axis", axis}}});
    return *this;
  }
  OneOperator& output(DType dtype, float scale, int zero_point,
                      const std::string& activation = "") {
    model_.graph.nodes.push_back(node_);
    if (!activation.empty())
      model_.graph.nodes.push_back({.name = "activation",
                                    .op_type = activation,
                                    .inputs = {node_.outputs[0]},
                                    .outputs = {"activated"}});
    scale_and_zero("y", dtype, scale, zero_point);
    model_.graph.nodes.push_back(
        {.name = "q",
         .op_type = "QuantizeLinear",
         .inputs = {activation.empty() ? node_.outputs[0] : "activated", "y_s", "y_z"},
         .outputs = {"y_codes"}});
    model_.graph.outputs.push_back({"y_codes", {dtype, std::nullopt}, {}});
    return *this;
  }

  // Largest difference of a code from the reference's, over random codes and every instruction set.
  int difference(bool is_native = true) const {
    int most = 0;
    on_every_target([&](const char*) {
      const auto program = std::make_shared<Program>(load_program(model_));
      const Layer* layer = nullptr;
      for (const auto& candidate : program->layers)
        if (candidate->name == "op") layer = candidate.get();
      EXPECT_TRUE(layer) << node_.op_type;
      if (!layer) return;
      EXPECT_EQ(!layer->is_float, is_native) << node_.op_type << ": " << layer->reason;
      Session session(program, {.threads = 2});
      for (uint64_t seed = 0; seed < 4; ++seed) most = std::max(most, difference(session, seed));
    });
    return most;
  }

 private:
  void scale_and_zero(const std::string& name, DType dtype, float scale, int zero_point) {
    const double zero = zero_point;
    model_.graph.initializers[name + "_s"] = Tensor::scalar(scale);
    model_.graph.initializers[name + "_z"] = Tensor::from_doubles(dtype, {}, {&zero, 1});
  }

  int difference(Session& session, uint64_t seed) const {
    Rng rng(seed);
    std::map<std::string, Tensor> inputs;
    std::vector<const void*> from;
    for (size_t i = 0; i < shapes_.size(); ++i) {
      std::vector<std::byte> codes(static_cast<size_t>(element_count(shapes_[i])));
      for (std::byte& code : codes) code = static_cast<std::byte>(rng.below(256));
      const auto& input = model_.graph.inputs[i];
      from.push_back(
          (inputs[input.name] = Tensor::from_bytes(input.type.dtype, shapes_[i], std::move(codes)))
              .bytes()
              .data());
    }
    std::vector<uint8_t> ours(session.outputs()[0].bytes());
    void* to = ours.data();
    EXPECT_TRUE(session.run(from, {&to, 1})) << session.error();
    const Tensor wanted = interpret(prepare(model_).graph, inputs).at(0);
    EXPECT_EQ(session.outputs()[0].shape, wanted.shape());
    const Tensor result = Tensor::from_bytes(wanted.dtype(), wanted.shape(), [&] {
      std::vector<std::byte> bytes(ours.size());
      std::memcpy(bytes.data(), ours.data(), ours.size());
      return bytes;
    }());
    const auto a = result.to_vector<int32_t>(), b = wanted.to_vector<int32_t>();
    int most = 0;
    for (size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    return most;
  }

  Node node_;
  Model model_;
  std::vector<Shape> shapes_;
};

Node op(const std::string& type, std::vector<std::string> inputs, Attributes attributes = {}) {
  return {.name = "op",
          .op_type = type,
          .inputs = std::move(inputs),
          .outputs = {"y"},
          .attributes = std::move(attributes)};
}

Tensor ints(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

constexpr DType kU8 = DType::kUint8, kI8 = DType::kInt8;
const Shape kImage{2, 5, 6, 7};

TEST(NativeOp, MovesEqualTheReference) {
  const auto one = [](Node node) {
    OneOperator test(std::move(node));
    test.input("x", kImage, kU8, 0.1f, 7);
    return test;
  };
  using I = std::vector<int64_t>;
  EXPECT_EQ(one(op("Flatten", {"x"}, {{"axis", int64_t{1}}})).output(kU8, 0.1f, 7).difference(), 0);
  EXPECT_EQ(one(op("Reshape", {"x", "d"}))
                .constant("d", ints({5, -1, 4}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(
      one(op("Transpose", {"x"}, {{"perm", I{0, 2, 3, 1}}})).output(kU8, 0.1f, 7).difference(), 0);
  EXPECT_EQ(one(op("Slice", {"x", "b", "e", "a", "s"}))
                .constant("b", ints({1, 5}))
                .constant("e", ints({6, -100}))
                .constant("a", ints({2, 3}))
                .constant("s", ints({2, -2}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Pad", {"x", "p"}))
                .constant("p", ints({0, 2, 1, 0, 0, 3, 0, 1}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Pad", {"x", "p", "v"}))
                .constant("p", ints({0, 0, 1, 2, 0, 0, 1, 2}))
                .constant("v", Tensor::scalar(1.3f))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Pad", {"x", "p"}, {{"mode", std::string("reflect")}}))
                .constant("p", ints({0, 0, 1, 2, 0, 0, 1, 2}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Resize", {"x", "", "f"}, {{"mode", std::string("nearest")}}))
                .constant("f", Tensor::of<float>({4}, {1, 1, 2, 2}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Pad", {"x", "p", "", "a"}))
                .constant("p", ints({2, 1, 0, 3}))
                .constant("a", ints({3, 1}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  for (const char* type : {"DepthToSpace", "SpaceToDepth"}) {
    OneOperator blocks(op(type, {"x"}, {{"blocksize", int64_t{2}}}));
    EXPECT_EQ(blocks.input("x", {2, 8, 4, 6}, kU8, 0.1f, 7).output(kU8, 0.1f, 7).difference(), 0)
        << type;
  }
  EXPECT_EQ(one(op("Tile", {"x", "r"}))
                .constant("r", ints({1, 2, 1, 3}))
                .output(kU8, 0.1f, 7)
                .difference(),
            0);
  EXPECT_EQ(one(op("Flatten", {"x"}, {{"axis", int64_t{1}}})).output(kI8, 0.07f, -3).difference(),
            0)
      << "a rescale on the way";
}

TEST(NativeOp, PackedCodesAreLeftToThePlainLoops) {
  for (const DType dtype : {DType::kUint4, DType::kInt4}) {
    OneOperator test(op("Sigmoid", {"x"}));
    EXPECT_EQ(
        test.input("x", {1, 3, 5, 5}, kU8, 0.03f, 20).output(dtype, 0.1f, 3).difference(false), 0);
  }
}

TEST(NativeOp, AWeightThatIsQuantizedInTheFileIsAConstant) {
  Rng rng(3);
  std::vector<float> weight(4 * 5 * 9);
  for (float& w : weight) w = static_cast<float>(rng.uniform() - 0.5);
  OneOperator test(
      op("Conv", {"x", "w"},
         {{"dilations", std::vector<int64_t>{2, 1}}, {"pads", std::vector<int64_t>{2, 1, 2, 1}}}));
  test.input("x", kImage, kU8, 0.1f, 7)
      .constant("w_float", Tensor::of<float>({4, 5, 3, 3}, std::move(weight)))
      .constant("w_s", Tensor::scalar(0.004f))
      .constant("w_z", Tensor::from_doubles(kI8, {}, std::vector<double>{0}))
      .before({.name = "wq",
               .op_type = "QuantizeLinear",
               .inputs = {"w_float", "w_s", "w_z"},
               .outputs = {"w_codes"}})
      .before({.name = "wdq",
               .op_type = "DequantizeLinear",
               .inputs = {"w_codes", "w_s", "w_z"},
               .outputs = {"w"}});
  EXPECT_EQ(test.output(kU8, 0.2f, 100).difference(), 0);
}

TEST(NativeOp, ABiasBeyond32BitsIsLeftToThePlainLoops) {
  OneOperator test(op("Conv", {"x", "w", "b"}));
  test.input("x", kImage, kU8, 0.02f, 7)
      .weight("w", Tensor::from_doubles(kI8, {2, 5, 1, 1}, std::vector<double>(10, 3)),
              {0.01f, 1e-10f}, 0)
      .constant("b", Tensor::of<float>({2}, {0.3f, 0.3f}));
  EXPECT_EQ(test.output(kU8, 0.02f, 100).difference(false), 0);
}

TEST(NativeOp, ConcatRescalesEachInput) {
  for (int64_t axis : {1, 2, 3}) {
    Shape other = kImage;
    other[static_cast<size_t>(axis)] = 3;
    OneOperator test(op("Concat", {"a", "b"}, {{"axis", axis}}));
    EXPECT_EQ(test.input("a", kImage, kU8, 0.1f, 7)
                  .input("b", other, kI8, 0.05f, -9)
                  .output(kU8, 0.1f, 7)
                  .difference(),
              0)
        << axis;
  }
}

TEST(NativeOp, TablesEqualTheReference) {
  for (const char* type :
       {"Relu", "Sigmoid", "HardSwish", "Tanh", "LeakyRelu", "Abs", "Exp", "Softplus", "Elu"})
    for (const DType dtype : {kU8, kI8}) {
      OneOperator test(op(type, {"x"}));
      EXPECT_EQ(test.input("x", kImage, dtype, 0.03f, 20).output(kU8, 0.02f, 11).difference(), 0)
          << type;
    }
  OneOperator clip(op("Clip", {"x", "l", "h"}));
  EXPECT_EQ(clip.input("x", kImage, kU8, 0.1f, 90)
                .constant("l", Tensor::scalar(-1.0f))
                .constant("h", Tensor::scalar(6.0f))
                .output(kU8, 0.05f, 30)
                .difference(),
            0);
}

TEST(NativeOp, SumsAndProductsEqualTheReference) {
  Rng rng(11);
  for (const char* type : {"Add", "Sub", "Mul"})
    for (const Shape& shape : {kImage, Shape{2, 5, 1, 1}, Shape{1, 1, 1, 1}})
      for (int round = 0; round < 4; ++round) {
        const bool is_supported = shape != Shape{1, 1, 1, 1};
        const auto scale = [&] { return static_cast<float>(0.01 + rng.uniform()); };
        const auto zero = [&] { return static_cast<int>(rng.below(256)); };
        OneOperator test(op(type, {"a", "b"}));
        test.input("a", kImage, kU8, scale(), zero())
            .input("b", shape, kU8, scale(), zero())
            .output(kU8, 4 * scale(), zero(), round % 2 ? "Relu" : "");
        EXPECT_EQ(test.difference(is_supported), 0) << type << " " << to_string(shape);
      }
  // Powers of two make ties common.
  OneOperator ties(op("Add", {"a", "b"}));
  EXPECT_EQ(ties.input("a", kImage, kU8, 0.25f, 3)
                .input("b", kImage, kI8, 0.25f, 8)
                .output(kU8, 0.5f, 1)
                .difference(),
            0);
}

TEST(NativeOp, MaxPoolEqualsTheReference) {
  using I = std::vector<int64_t>;
  for (const Attributes& attributes :
       {Attributes{{"kernel_shape", I{2, 2}}, {"strides", I{2, 2}}},
        Attributes{{"kernel_shape", I{3, 3}}, {"strides", I{2, 1}}, {"pads", I{1, 1, 1, 1}}},
        Attributes{{"kernel_shape", I{3, 2}}, {"strides", I{2, 2}}, {"ceil_mode", int64_t{1}}}}) {
    OneOperator test(op("MaxPool", {"x"}, attributes));
    EXPECT_EQ(test.input("x", kImage, kI8, 0.1f, 7).output(kI8, 0.1f, 7).difference(), 0);
  }
}

// The exact sum is scaled once, where the reference divides a float sum: a tie may fall to the
// other side.
TEST(NativeOp, AveragePoolsAreWithinOneStepOfTheReference) {
  using I = std::vector<int64_t>;
  OneOperator global(op("GlobalAveragePool", {"x"}));
  EXPECT_LE(global.input("x", kImage, kU8, 0.1f, 7).output(kU8, 0.05f, 7).difference(), 1);
  for (int64_t counts_padding : {0, 1}) {
    OneOperator test(op("AveragePool", {"x"},
                        {{"kernel_shape", I{3, 3}},
                         {"pads", I{1, 1, 1, 1}},
                         {"strides", I{2, 2}},
                         {"count_include_pad", counts_padding}}));
    EXPECT_LE(test.input("x", kImage, kU8, 0.1f, 7).output(kU8, 0.09f, 40).difference(), 1);
  }
}

// Enough work for two threads, and more channels than a pool sums at a time.
TEST(NativeOp, WorkThatThreadsShareEqualsTheReference) {
  using I = std::vector<int64_t>;
  const Shape large{1, 270, 40, 40};
  const Attributes window{{"kernel_shape", I{3, 3}}, {"pads", I{1, 1, 1, 1}}, {"strides", I{2, 2}}};
  OneOperator table(op("Sigmoid", {"x"}));
  EXPECT_EQ(table.input("x", large, kU8, 0.05f, 128).output(kU8, 0.004f, 0).difference(), 0);
  OneOperator sum(op("Add", {"x", "z"}));
  sum.input("x", large, kU8, 0.1f, 7).input("z", large, kI8, 0.07f, -3).output(kU8, 0.2f, 9);
  EXPECT_EQ(sum.difference(), 0);
  OneOperator most(op("MaxPool", {"x"}, window));
  EXPECT_EQ(most.input("x", large, kI8, 0.1f, 7).output(kI8, 0.1f, 7).difference(), 0);
  OneOperator mean(op("AveragePool", {"x"}, window));
  EXPECT_LE(mean.input("x", large, kU8, 0.1f, 7).output(kU8, 0.09f, 40).difference(), 1);
}

Tensor random_codes(const Shape& shape, DType dtype, uint64_t seed) {
  Rng rng(seed);
  std::vector<std::byte> codes(static_cast<size_t>(element_count(shape)));
  for (std::byte& code : codes) code = static_cast<std::byte>(rng.below(256));
  return Tensor::from_bytes(dtype, shape, std::move(codes));
}

// The sums are exact where the reference's are floats: a tie may fall to the other side.
TEST(NativeOp, ConvolutionsAreWithinOneStepOfTheReference) {
  using I = std::vector<int64_t>;
  const Attributes plain{{"pads", I{1, 0, 1, 2}}, {"strides", I{1, 2}}};
  for (const DType dtype : {kU8, kI8})
    for (const char* activation : {"", "Relu"}) {
      OneOperator test(op("Conv", {"x", "w", "b"}, plain));
      test.input("x", kImage, dtype, 0.02f, 9)
          .weight("w", random_codes({6, 5, 3, 3}, kI8, 1),
                  {0.01f, 0.02f, 0.03f, 0.01f, 0.005f, 0.02f}, 0)
          .constant("b", Tensor::of<float>({6}, {0.1f, -0.2f, 0.3f, 0, 5, -5}))
          .output(dtype, 0.4f, 3, activation);
      EXPECT_LE(test.difference(), 1);
    }
  OneOperator grouped(
      op("Conv", {"x", "w"}, {{"group", int64_t{5}}, {"auto_pad", std::string("SAME_UPPER")}}));
  EXPECT_LE(grouped.input("x", kImage, kU8, 0.02f, 9)
                .weight("w", random_codes({10, 1, 2, 3}, kI8, 2), {0.01f}, 0)
                .output(kU8, 0.1f, 100)
                .difference(),
            1);
  OneOperator unsigned_weight(op("Conv", {"x", "w"}));
  EXPECT_LE(unsigned_weight.input("x", kImage, kU8, 0.02f, 9)
                .weight("w", random_codes({3, 5, 1, 1}, kU8, 3), {0.01f}, 0)
                .output(kU8, 0.2f, 10)
                .difference(),
            1);
}

TEST(NativeOp, ProductsOfMatricesAreWithinOneStepOfTheReference) {
  OneOperator gemm(op("Gemm", {"x", "w"}));
  EXPECT_LE(gemm.input("x", {4, 19}, kU8, 0.02f, 9)
                .weight("w", random_codes({19, 33}, kI8, 1), {0.01f}, 1)
                .output(kU8, 0.3f, 100)
                .difference(),
            1);
  OneOperator transposed(op("Gemm", {"x", "w"}, {{"transB", int64_t{1}}}));
  EXPECT_LE(transposed.input("x", {1, 19}, kI8, 0.02f, 9)
                .weight("w", random_codes({33, 19}, kI8, 1), std::vector<float>(33, 0.02f), 0)
                .output(kI8, 0.3f, 0)
                .difference(),
            1);
  OneOperator matmul(op("MatMul", {"x", "w"}));
  EXPECT_LE(matmul.input("x", {2, 3, 19}, kU8, 0.02f, 9)
                .weight("w", random_codes({19, 8}, kI8, 1), {0.01f}, 1)
                .output(kU8, 0.3f, 100)
                .difference(),
            1);
}

}  // namespace
}  // namespace halftone::runtime

// Kernels against plain loops and identities, on random inputs. ONNX's own cases are in
// tests/conformance_test.cpp.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "halftone/graph/ops/node_under_test.h"

namespace halftone {
namespace {

using namespace testing_ops;
using Ints = std::vector<int64_t>;

Tensor random_tensor(const Shape& shape, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& value : values) value = normal(random);
  return Tensor::of<float>(shape, std::move(values));
}

double dot(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

// Conv2d written out, with symmetric pads.
double conv_element(const Tensor& x, const Tensor& w, int64_t groups, const Ints& pads,
                    const Ints& strides, const Ints& dilations, const Ints& at) {
  const auto a = x.elements<float>(), b = w.elements<float>();
  const Shape &s = x.shape(), &k = w.shape();
  const int64_t group = at[1] / (k[0] / groups);
  double sum = 0;
  for (int64_t c = 0; c < k[1]; ++c)
    for (int64_t i = 0; i < k[2]; ++i)
      for (int64_t j = 0; j < k[3]; ++j) {
        const int64_t row = at[2] * strides[0] - pads[0] + i * dilations[0];
        const int64_t column = at[3] * strides[1] - pads[1] + j * dilations[1];
        if (row < 0 || row >= s[2] || column < 0 || column >= s[3]) continue;
        const int64_t source = ((at[0] * s[1] + group * k[1] + c) * s[2] + row) * s[3] + column;
        sum += double{a[static_cast<size_t>(source)]} *
               b[static_cast<size_t>(((at[1] * k[1] + c) * k[2] + i) * k[3] + j)];
      }
  return sum;
}

TEST(Conv, EqualsThePlainLoops) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 30; ++trial) {
    const auto pick = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(random() % (high - low + 1));
    };
    const int64_t groups = pick(1, 3), in = pick(1, 2), out = pick(1, 3);
    const Tensor x = random_tensor({2, groups * in, pick(7, 10), pick(7, 10)}, random);
    const Tensor w = random_tensor({groups * out, in, pick(1, 3), pick(1, 3)}, random);
    const Ints pads{pick(0, 2), pick(0, 2)}, strides{pick(1, 3), pick(1, 3)},
        dilations{pick(1, 2), pick(1, 2)};
    const Tensor y = run("Conv", {x, w},
                         {{"group", groups},
                          {"pads", Ints{pads[0], pads[1], pads[0], pads[1]}},
                          {"strides", strides},
                          {"dilations", dilations}})[0];
    const Shape& s = y.shape();
    size_t i = 0;
    for (int64_t n = 0; n < s[0]; ++n)
      for (int64_t m = 0; m < s[1]; ++m)
        for (int64_t r = 0; r < s[2]; ++r)
          for (int64_t c = 0; c < s[3]; ++c)
            ASSERT_NEAR(y.elements<float>()[i++],
                        conv_element(x, w, groups, pads, strides, dilations, {n, m, r, c}), 1e-5)
                << "trial " << trial;
  }
}

// <Conv(x), y> = <x, ConvTranspose(y)>, what makes it the transpose.
TEST(ConvTranspose, IsTheTransposeOfConv) {
  std::mt19937 random(8);
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t dilation : {1, 2})
      for (const int64_t pad : {0, 1}) {
        const Attributes attributes{{"group", int64_t{2}},
                                    {"pads", Ints{pad, pad, pad, pad}},
                                    {"strides", Ints{stride, stride}},
                                    {"dilations", Ints{dilation, dilation}}};
        const Tensor w = random_tensor({4, 3, 3, 3}, random);
        const Tensor y = random_tensor({2, 4, 5, 6}, random);
        const Tensor back = run("ConvTranspose", {y, w}, attributes)[0];
        const Tensor x = random_tensor(back.shape(), random);
        const Tensor there = run("Conv", {x, w}, attributes)[0];
        ASSERT_EQ(there.shape(), y.shape());
        EXPECT_NEAR(dot(there, y), dot(x, back), 1e-3);
      }
}

TEST(Pad, IsUndoneByNegativePads) {
  std::mt19937 random(9);
  const Tensor x = random_tensor({3, 4, 5}, random);
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
    const Tensor padded = run("Pad", {x, int64s({2, 0, 3, 1, 2, 4})}, {{"mode", mode}})[0];
    EXPECT_EQ(padded.shape(), (Shape{6, 6, 12}));
    EXPECT_EQ(run("Pad", {padded, int64s({-2, 0, -3, -1, -2, -4})}, {{"mode", mode}})[0], x)
        << mode;
  }
}

TEST(DepthToSpace, IsUndoneBySpaceToDepth) {
  std::mt19937 random(10);
  const Tensor x = random_tensor({2, 12, 3, 5}, random);
  const Attributes block{{"blocksize", int64_t{2}}};
  EXPECT_EQ(run("SpaceToDepth", {run("DepthToSpace", {x}, block)[0]}, block)[0], x);
}

TEST(ConcatAndSplit, AreInverse) {
  std::mt19937 random(11);
  const Tensor x = random_tensor({2, 7, 3}, random);
  const Attributes axis{{"axis", int64_t{1}}};
  const Tensors parts = run("Split", {x, int64s({2, 0, 5})}, axis, 3);
  EXPECT_EQ(parts[1].shape(), (Shape{2, 0, 3}));
  EXPECT_EQ(run("Concat", parts, axis)[0], x);
}

TEST(Movement, WorksOnPackedTypesAndStrings) {
  const Tensor packed =
      Tensor::from_bytes(DType::kInt4, {3}, {std::byte{0xE1}, std::byte{0x07}});  // 1, -2, 7
  const Tensor reversed =
      run("Slice", {packed, int64s({2}), int64s({-10}), int64s({0}), int64s({-1})})[0];
  EXPECT_EQ(reversed.to_vector<int64_t>(), (Ints{7, -2, 1}));
  EXPECT_EQ(run("Concat", {packed, reversed}, {{"axis", int64_t{0}}})[0].to_vector<int64_t>(),
            (Ints{1, -2, 7, 7, -2, 1}));
  const Tensor words = Tensor::of_strings({2, 1}, {"a", "b"});
  EXPECT_EQ(run("Transpose", {words})[0], Tensor::of_strings({1, 2}, {"a", "b"}));
}

TEST(Round, TakesHalvesToEven) {
  const Tensor x = Tensor::of<float>({6}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49999997f});
  EXPECT_EQ(run("Round", {x})[0].to_vector<float>(), (std::vector<float>{0, 2, 2, -0.0f, -2, 0}));
}

TEST(IntegerArithmetic, TruncatesAndWrapsAround) {
  const auto bytes = [](int8_t a) { return Tensor::of<int8_t>({1}, {a}); };
  EXPECT_EQ(run("Div", {bytes(-7), bytes(2)})[0], bytes(-3));
  EXPECT_EQ(run("Add", {bytes(127), bytes(1)})[0], bytes(-128));
  EXPECT_EQ(run("Mod", {bytes(-7), bytes(3)})[0], bytes(2));
  EXPECT_EQ(run("Mod", {bytes(-7), bytes(3)}, {{"fmod", int64_t{1}}})[0], bytes(-1));
  const Tensor large = Tensor::of<uint64_t>({1}, {UINT64_MAX});
  EXPECT_EQ(run("Max", {large, Tensor::of<uint64_t>({1}, {5})})[0], large);
}

TEST(QLinearMatMul, Saturates) {
  const Tensor scale = Tensor::scalar(1.0f), zero = Tensor::scalar<int8_t>(0);
  const Tensor a = Tensor::of<int8_t>({1, 2}, {100, 100}),
               b = Tensor::of<int8_t>({2, 1}, {100, 100});
  EXPECT_EQ(
      run("QLinearMatMul", {a, scale, zero, b, scale, zero, scale, zero})[0].to_vector<int64_t>(),
      (Ints{127}));
}

TEST(Cast, RoundsToBfloat16AndHandlesWhatDoesNotFit) {
  const Tensor x = Tensor::of<float>({1}, {0.48033667f});
  EXPECT_EQ(run("Cast", {x}, {{"to", int64_t{16}}})[0].item<double>(), 0.48046875);
  const Tensor wild = Tensor::of<float>({3}, {1e30f, -1e30f, NAN});
  EXPECT_EQ(run("Cast", {wild}, {{"to", int64_t{7}}})[0].to_vector<int64_t>(),
            (Ints{INT64_MAX, INT64_MIN, INT64_MIN}));
}

TEST(Resize, OfTheSameSizeIsTheIdentity) {
  std::mt19937 random(12);
  const Tensor x = random_tensor({1, 2, 5, 6}, random);
  const Tensor none, sizes = int64s({1, 2, 5, 6});
  for (const std::string mode : {"nearest", "linear", "cubic"})
    for (const std::string coordinates :
         {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"})
      EXPECT_EQ(run("Resize", {x, none, none, sizes},
                    {{"mode", mode}, {"coordinate_transformation_mode", coordinates}})[0],
                x)
          << mode << " " << coordinates;
}

TEST(AveragePool, LeavesOutWhatHangsOverThePaddedInput) {
  const Tensor ones = Tensor::of<float>({1, 1, 8}, std::vector<float>(8, 1));
  const Tensor y = run("AveragePool", {ones},
                       {{"kernel_shape", Ints{3}},
                        {"strides", Ints{2}},
                        {"ceil_mode", int64_t{1}},
                        {"count_include_pad", int64_t{1}}})[0];
  EXPECT_EQ(y, Tensor::of<float>({1, 1, 4}, {1, 1, 1, 1}));
}

}  // namespace
}  // namespace halftone

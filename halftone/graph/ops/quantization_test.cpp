#include "halftone/graph/ops/quantization.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "halftone/graph/ops/node_under_test.h"
#include "halftone/quant/numeric.h"

namespace halftone {
namespace {

using namespace testing_ops;

struct Drawn {
  std::vector<float> values;
  float scale;
};

// Values over and beyond the codes' range, many of them on ties.
Drawn drawn(std::mt19937& random) {
  Drawn result{{}, std::exp(std::uniform_real_distribution<float>(-8, 3)(random))};
  std::normal_distribution<float> normal(0, 60);
  for (int i = 0; i < 400; ++i) {
    const float steps = i % 2 ? normal(random) : std::round(normal(random)) + 0.5f;
    result.values.push_back(steps * result.scale);
  }
  for (float value : {0.0f, -0.0f, 1e30f, -1e30f, 3e38f}) result.values.push_back(value);
  return result;
}

TEST(QuantizeLinear, EqualsTheNumericContractBitForBit) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const Drawn x = drawn(random);
    const auto zero_point = static_cast<int8_t>(random() % 256);
    const Tensor input = Tensor::of<float>({static_cast<int64_t>(x.values.size())}, x.values);
    const Tensor scale = Tensor::scalar(x.scale), zero = Tensor::scalar(zero_point);
    const Tensor q = run("QuantizeLinear", {input, scale, zero})[0];
    const Tensor back = run("DequantizeLinear", {q, scale, zero})[0];
    for (size_t i = 0; i < x.values.size(); ++i) {
      const int32_t code = quantize(x.values[i], x.scale, zero_point, {-128, 127});
      ASSERT_EQ(q.elements<int8_t>()[i], code) << "trial " << trial << ", value " << x.values[i];
      ASSERT_EQ(back.elements<float>()[i], dequantize(code, x.scale, zero_point));
    }
  }
}

TEST(QuantizeLinear, ReachesBothEndsOfEveryIntegerType) {
  const Tensor x = Tensor::of<float>({2}, {-1e30f, 1e30f}), scale = Tensor::scalar(1.0f);
  for (const DType dtype : {DType::kInt2, DType::kUint2, DType::kInt4, DType::kUint4, DType::kInt8,
                            DType::kUint8, DType::kInt16, DType::kUint16, DType::kInt32}) {
    const Tensor q =
        run("QuantizeLinear", {x, scale}, {{"output_dtype", static_cast<int64_t>(dtype)}})[0];
    const IntegerRange range = integer_range(dtype);
    EXPECT_EQ(q.dtype(), dtype);
    EXPECT_EQ(q.to_vector<int64_t>(), (std::vector<int64_t>{range.lowest, range.highest}))
        << name_of(dtype);
  }
}

TEST(QuantizeLinear, BlocksTakeTheScaleOfTheirPlace) {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor scale =
      Tensor::of<float>({2, 2}, {1, 3, 2, 0.5f});  // blocks of two along axis 1, the last of one
  const Attributes attributes{
      {"axis", int64_t{1}}, {"block_size", int64_t{2}}, {"output_dtype", int64_t{3}}};
  EXPECT_EQ(run("QuantizeLinear", {x, scale}, attributes)[0],
            Tensor::of<int8_t>({2, 3}, {1, 2, 1, 2, 2, 12}));
}

TEST(QuantizeLinear, RefusesScalesThatDoNotFit) {
  const Tensor x = Tensor::of<float>({2, 3}, std::vector<float>(6)),
               scale = Tensor::of<float>({2}, {1, 1});
  EXPECT_THROW(run("QuantizeLinear", {x, scale}), Error);  // axis 1 has three indices
  EXPECT_NO_THROW(run("QuantizeLinear", {x, scale}, {{"axis", int64_t{0}}}));
}

}  // namespace
}  // namespace halftone

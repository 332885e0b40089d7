// Models come from outside: whatever a node says, its operator answers with a tensor or an Error.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "halftone/graph/ops/node_under_test.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

using namespace testing_ops;

// Numbers that break things, and small ones that nearly fit. None asks for a tensor between 2^10
// and 2^31 elements, so that the test itself stays small.
int64_t odd_number(std::mt19937_64& random) {
  constexpr int64_t kOdd[] = {-1,
                              0,
                              1,
                              1,
                              1,
                              2,
                              2,
                              3,
                              4,
                              -2,
                              -3,
                              (int64_t{1} << 31) + 1,
                              int64_t{1} << 40,
                              int64_t{1} << 62,
                              INT64_MAX,
                              INT64_MIN,
                              -(int64_t{1} << 40)};
  return kOdd[random() % std::size(kOdd)];
}

std::vector<int64_t> odd_numbers(std::mt19937_64& random) {
  std::vector<int64_t> result(random() % 5);
  const bool is_tame = random() % 3 > 0;
  for (int64_t& value : result)
    value = is_tame ? static_cast<int64_t>(random() % 4) - 1 : odd_number(random);
  return result;
}

// rank < 0: any.
Tensor odd_tensor(std::mt19937_64& random, int64_t rank) {
  constexpr DType kTypes[] = {DType::kFloat, DType::kFloat, DType::kFloat,        DType::kFloat,
                              DType::kInt64, DType::kInt64, DType::kUint8,        DType::kInt8,
                              DType::kInt32, DType::kBool,  DType::kFloat16,      DType::kUint64,
                              DType::kInt4,  DType::kUint2, DType::kFloat8E4M3FN, DType::kString,
                              DType::kDouble};
  const DType dtype = rank < 0 ? kTypes[random() % std::size(kTypes)] : DType::kFloat;
  Shape shape(rank < 0 ? random() % 5 : static_cast<size_t>(rank));
  for (int64_t& dim : shape) dim = static_cast<int64_t>(random() % 20 == 0 ? 0 : 1 + random() % 3);
  const auto count = static_cast<size_t>(element_count(shape));
  if (dtype == DType::kString)
    return Tensor::of_strings(shape, std::vector<std::string>(count, "1.5"));
  if (is_floating(dtype)) {
    std::vector<double> values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(random() % 8 ? static_cast<double>(random() % 7) - 2 : NAN);
    return Tensor::from_doubles(dtype, shape, values);
  }
  std::vector<int64_t> values;
  const bool is_tame = random() % 3 > 0;
  for (size_t i = 0; i < count; ++i)
    values.push_back(is_tame ? static_cast<int64_t>(random() % 4) - 1 : odd_number(random));
  return stored(dtype, shape, values);  // wraps around: an unsigned -1 is huge
}

Attributes odd_attributes(std::mt19937_64& random) {
  Attributes result;
  for (const char* name : {"axis",
                           "group",
                           "keepdims",
                           "ceil_mode",
                           "count_include_pad",
                           "storage_order",
                           "blocksize",
                           "size",
                           "to",
                           "k",
                           "upper",
                           "batch_dims",
                           "allowzero",
                           "num_outputs",
                           "num_groups",
                           "p",
                           "block_size",
                           "output_dtype",
                           "training_mode",
                           "noop_with_empty_axes",
                           "start",
                           "end",
                           "select_last_index",
                           "exclusive",
                           "reverse",
                           "fmod",
                           "transA",
                           "transB",
                           "antialias",
                           "dtype",
                           "stash_type",
                           "exclude_outside",
                           "saturate",
                           "largest"})
    if (random() % 4 == 0)
      result[name] = random() % 2 ? static_cast<int64_t>(random() % 4) : odd_number(random);
  for (const char* name :
       {"pads", "strides", "dilations", "kernel_shape", "axes", "perm", "output_padding",
        "output_shape", "split", "starts", "ends", "steps", "shape"})
    if (random() % 4 == 0) result[name] = odd_numbers(random);
  constexpr const char* kWords[] = {"SAME_UPPER",    "SAME_LOWER", "VALID",
                                    "linear",        "cubic",      "wrap",
                                    "reflect",       "edge",       "tf_crop_and_resize",
                                    "align_corners", "not_larger", "not_smaller",
                                    "LEFT",          "RIGHT",      "ij,jk->ik",
                                    "...i->...",     "i",          "",
                                    "add",           "max",        "CRD",
                                    "tanh",          "nonsense"};
  for (const char* name :
       {"auto_pad", "mode", "coordinate_transformation_mode", "keep_aspect_ratio_policy",
        "direction", "equation", "reduction", "nearest_mode", "approximate"})
    if (random() % 3 == 0) result[name] = std::string(kWords[random() % std::size(kWords)]);
  if (random() % 4 == 0) result["kernel_shape"] = std::vector<int64_t>{2, 2};
  return result;
}

// Error is an answer; any other exception, and any fault that a sanitizer sees, is not.
void ask(const std::string& op, uint64_t seed) {
  std::mt19937_64 random(seed);
  const Attributes attributes = odd_attributes(random);
  Tensors inputs(random() % 6);
  // Half of the questions nearly make sense: the first inputs are floats of one rank.
  const int64_t rank = random() % 2 ? static_cast<int64_t>(2 + random() % 3) : -1;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (random() % 8) inputs[i] = odd_tensor(random, i < 2 || random() % 4 == 0 ? rank : -1);
  SCOPED_TRACE(text(op, ", seed ", seed));
  try {
    run(op, inputs, attributes, 1 + random() % 3);
  } catch (const Error&) {
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
  std::vector<Seen> seen;
  for (const Tensor& input : inputs) {
    if (!input.defined() || random() % 3 == 0) {
      seen.emplace_back(std::vector<DimLike>{"a", 2, "?"}, DType::kInt64);
    } else {
      seen.emplace_back(input);
    }
  }
  try {
    inferred(op, seen, attributes);
  } catch (const Error&) {
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

TEST(HostileInput, EveryOperatorAnswersWithATensorOrAnError) {
  for (const auto& [name, op] : Registry<GraphOp>::all())
    for (uint64_t seed = 0; seed < 300; ++seed) ask(name, seed);
}

TEST(HostileInput, HugeResultsAreRefusedBeforeTheyAreMade) {
  const Tensor one = Tensor::of<float>({1}, {1});
  const Tensor huge = int64s({int64_t{1} << 40});
  EXPECT_THROW(run("Expand", {one, huge}), Error);
  EXPECT_THROW(run("Tile", {one, huge}), Error);
  EXPECT_THROW(run("ConstantOfShape", {huge}), Error);
  EXPECT_THROW(run("ConstantOfShape", {int64s({1 << 20, 1 << 20, 1 << 30})}), Error);
  EXPECT_THROW(run("Range", {Tensor::scalar(0.0f), Tensor::scalar(1e30f), Tensor::scalar(1e-30f)}),
               Error);
  EXPECT_THROW(run("Pad", {one, int64s({int64_t{1} << 40, 0})}), Error);
  EXPECT_THROW(run("OneHot", {one, huge, Tensor::of<float>({2}, {0, 1})}), Error);
}

TEST(HostileInput, IntegerDivisionNeverTraps) {
  const Tensor zero = int64s({0}), minus = int64s({-1}), lowest = int64s({INT64_MIN});
  EXPECT_THROW(run("Div", {minus, zero}), Error);
  EXPECT_THROW(run("Mod", {minus, zero}), Error);
  EXPECT_EQ(run("Div", {lowest, minus})[0], lowest);
  EXPECT_EQ(run("Mod", {lowest, minus})[0], zero);
}

TEST(HostileInput, MessagesSayWhatWasFound) {
  try {
    run("Reshape", {Tensor::of<float>({2, 3}, std::vector<float>(6)), int64s({4, 2})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("running Reshape 'under_test': [2,3] cannot become [4,2]"),
        std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace halftone

#include "halftone/data/array_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/message_of.h"
#include "tests/numpy_files.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Value input(const std::string& name, DType dtype, const Shape& sample) {
  SymbolicShape shape{{-1, "batch"}};
  for (int64_t dim : sample) shape.push_back(Dim::of(dim));
  return {name, {dtype, shape}, {}};
}

template <typename T>
std::vector<T> counting(int64_t count, T from = 0) {
  std::vector<T> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), from);
  return values;
}

TEST(Arrays, GiveRowsInTheOrderOfTheModelsInputs) {
  const TemporaryFolder folder;
  const auto file =
      folder.write("x.npz", make_npz({{"a", make_npy<int64_t>({3, 2}, counting<int64_t>(6))},
                                      {"b", make_npy<float>({3, 1, 2}, counting<float>(6, 10))},
                                      {"label", make_npy<int32_t>({3}, {4, -1, 0})},
                                      {"note", make_npy<uint8_t>({9}, counting<uint8_t>(9))}}));
  const auto data =
      open_arrays({file}, {input("b", DType::kFloat, {1, 2}), input("a", DType::kInt64, {2})});
  ASSERT_EQ(data->size(), 3u);
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{4, -1, 0}));
  EXPECT_EQ(data->class_count(), 5u);
  EXPECT_EQ(data->load(1), (std::vector<Tensor>{Tensor::of<float>({1, 2}, {12, 13}),
                                                Tensor::of<int64_t>({2}, {2, 3})}));
}

TEST(Arrays, FollowEachOtherOverFiles) {
  const TemporaryFolder folder;
  std::vector<std::filesystem::path> files;
  for (int f = 0; f < 40; ++f)  // more than are kept open
    files.push_back(folder.write(
        text(100 + f, ".npz"),
        make_npz({{"x", make_npy<float>({2}, counting<float>(2, static_cast<float>(2 * f)))}})));
  const auto data = open_arrays(files, {input("x", DType::kFloat, {})});
  ASSERT_EQ(data->size(), 80u);
  for (size_t i : {0u, 79u, 1u, 40u, 3u})
    EXPECT_EQ(data->load(i).at(0).item<float>(), static_cast<float>(i));
  EXPECT_THAT(data->name(5), AllOf(HasSubstr("102.npz"), HasSubstr("row 1")));
}

TEST(Arrays, ConvertWithinFloatsAndWithinIntegers) {
  const TemporaryFolder folder;
  const auto file = folder.write("x.npz", make_npz({{"f", make_npy<double>({1, 2}, {0.1, 2})},
                                                    {"i", make_npy<int64_t>({1, 2}, {7, 300})}}));
  const auto data =
      open_arrays({file}, {input("f", DType::kFloat, {2}), input("i", DType::kInt32, {2})});
  EXPECT_EQ(data->load(0), (std::vector<Tensor>{Tensor::of<float>({2}, {0.1f, 2}),
                                                Tensor::of<int32_t>({2}, {7, 300})}));
  EXPECT_THROW(open_arrays({file}, {input("i", DType::kInt8, {2})})->load(0), Error);  // 300
  EXPECT_THAT(message_of([&] { open_arrays({file}, {input("i", DType::kFloat, {2})}); }),
              AllOf(HasSubstr("int64"), HasSubstr("float32")));
}

TEST(Arrays, TakeASingleNpyForOneInput) {
  const TemporaryFolder folder;
  const auto file = folder.write("x.npy", make_npy<float>({2, 2}, counting<float>(4)));
  EXPECT_EQ(open_arrays({file}, {input("anything", DType::kFloat, {2})})->load(1).at(0),
            Tensor::of<float>({2}, {2, 3}));
  EXPECT_THROW(
      open_arrays({file}, {input("a", DType::kFloat, {2}), input("b", DType::kFloat, {2})}), Error);
  EXPECT_EQ(open_arrays({file}, {})->size(), 2u);
}

TEST(Arrays, TellInputAndShapeThatDoNotFit) {
  const TemporaryFolder folder;
  const auto file = folder.write(
      "shape.npz",
      make_npz({{"image", make_npy<float>({4, 3, 31, 30, 2}, counting<float>(4 * 3 * 31 * 60))}}));
  EXPECT_THAT(message_of([&] {
                open_arrays({file}, {input("image", DType::kFloat, {3, 32, 32})});
              }),
              AllOf(HasSubstr("shape.npz"), HasSubstr("image"), HasSubstr("[3,31,30,2]"),
                    HasSubstr("[batch,3,32,32]")));
  EXPECT_THAT(message_of([&] {
                open_arrays({file}, {input("pixels", DType::kFloat, {3, 32, 32})});
              }),
              AllOf(HasSubstr("shape.npz"), HasSubstr("pixels"), HasSubstr("image")));
}

TEST(Arrays, TellDifferentNumbersOfSamples) {
  const TemporaryFolder folder;
  const auto file = folder.write("x.npz", make_npz({{"a", make_npy<float>({2}, {1, 2})},
                                                    {"b", make_npy<float>({3}, {1, 2, 3})},
                                                    {"label", make_npy<int64_t>({3}, {1, 2, 3})}}));
  EXPECT_THAT(message_of([&] {
                open_arrays({file}, {input("a", DType::kFloat, {}), input("b", DType::kFloat, {})});
              }),
              AllOf(HasSubstr("'b'"), HasSubstr("3"), HasSubstr("2")));
  EXPECT_THAT(message_of([&] { open_arrays({file}, {input("a", DType::kFloat, {})}); }),
              HasSubstr("labels"));
}

}  // namespace
}  // namespace halftone

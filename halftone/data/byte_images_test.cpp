#include "halftone/data/byte_images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/message_of.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// `labels` records of CIFAR-10: channel c at pixel p is (label + 50 c + p) % 256.
std::string records(const std::vector<int>& labels, bool has_coarse = false) {
  std::string bytes;
  for (int label : labels) {
    if (has_coarse) bytes += '\x07';
    bytes += static_cast<char>(label);
    for (int c = 0; c < 3; ++c)
      for (int p = 0; p < 1024; ++p) bytes += static_cast<char>((label + 50 * c + p) % 256);
  }
  return bytes;
}

TEST(Cifar, ReadsRecordsOfSeveralFilesInOrder) {
  const TemporaryFolder folder;
  const auto first = folder.write("data_batch_1.bin", records({3, 9}));
  const auto second = folder.write("data_batch_2.bin", records({0}));
  const auto data = open_cifar({first, second}, Preprocess{}, {});
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{3, 9, 0}));
  EXPECT_EQ(data->class_count(), 10u);
  EXPECT_THAT(data->name(2), AllOf(HasSubstr("data_batch_2.bin"), HasSubstr("record 0")));
  for (size_t i = 0; i < 3; ++i) {
    const Tensor image = data->load(i).at(0);
    ASSERT_EQ(image.shape(), (Shape{3, 32, 32}));
    for (size_t k : {0u, 1u, 1024u, 3071u}) {
      const size_t level =
          (static_cast<size_t>(data->labels()[i]) + 50 * (k / 1024) + k % 1024) % 256;
      EXPECT_EQ(image.elements<float>()[k], static_cast<float>(level) / 255.0f);
    }
  }
}

TEST(Cifar, ReadsTheFineLabelsOfCifar100) {
  const TemporaryFolder folder;
  const auto data =
      open_cifar({folder.write("test.bin", records({99, 42}, true))}, Preprocess{}, {});
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{99, 42}));
  EXPECT_EQ(data->class_count(), 100u);
}

TEST(Cifar, NamesTheDamagedFile) {
  const TemporaryFolder folder;
  const auto cut = folder.write("cut.bin", records({1}).substr(0, 3000));
  EXPECT_THAT(message_of([&] { open_cifar({cut}, Preprocess{}, {}); }), HasSubstr("cut.bin"));
  const auto label = folder.write("label.bin", records({1, 77}));
  EXPECT_THAT(message_of([&] { open_cifar({label}, Preprocess{}, {}); }),
              AllOf(HasSubstr("label.bin"), HasSubstr("77")));
}

std::string idx(const std::vector<uint8_t>& dims, const std::string& data) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(dims.size())};
  for (uint8_t dim : dims) bytes += std::string{'\0', '\0', '\0', static_cast<char>(dim)};
  return bytes + data;
}

TEST(Idx, ReadsImagesWithTheLabelsBesideThem) {
  const TemporaryFolder folder;
  const auto images = folder.write("train-images-idx3-ubyte", idx({2, 2, 3}, "abcdefghijkl"));
  folder.write("train-labels-idx1-ubyte", idx({2}, "\x04\x01"));
  const auto data = open_idx(images, Preprocess{.color = Preprocess::Color::kGray}, {});
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{4, 1}));
  const Tensor image = data->load(1).at(0);
  ASSERT_EQ(image.shape(), (Shape{1, 2, 3}));
  for (size_t i = 0; i < 6; ++i)
    EXPECT_EQ(image.elements<float>()[i], static_cast<float>('g' + i) / 255.0f);
}

TEST(Idx, ReadsGzipAndRepeatsGreyForColour) {
  const TemporaryFolder folder;
  const auto packed =
      FileBytes::open(HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/idx/images-idx3-ubyte.gz")
          ->read_all();
  const auto data = open_idx(folder.write("images-idx3-ubyte.gz", packed), Preprocess{}, {});
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{-1, -1}));
  const Tensor image = data->load(1).at(0);
  ASSERT_EQ(image.shape(), (Shape{3, 3, 4}));
  for (size_t i = 0; i < 36; ++i)
    EXPECT_EQ(image.elements<float>()[i], static_cast<float>(12 + i % 12) / 255.0f);
}

TEST(Idx, NamesTheDamagedFile) {
  const TemporaryFolder folder;
  const auto cut = folder.write("images-idx3-ubyte", idx({2, 2, 3}, "abc"));
  EXPECT_THAT(message_of([&] { open_idx(cut, Preprocess{}, {}); }),
              AllOf(HasSubstr("images-idx3-ubyte"), HasSubstr("[2,2,3]")));
  const auto images = folder.write("t10k-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  folder.write("t10k-labels-idx1-ubyte", idx({2}, "ab"));
  EXPECT_THAT(message_of([&] { open_idx(images, Preprocess{}, {}); }),
              HasSubstr("t10k-labels-idx1-ubyte"));
}

}  // namespace
}  // namespace halftone

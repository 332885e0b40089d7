#include "halftone/data/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "halftone/base/error.h"
#include "tests/numpy_files.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kCorpus = HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/";

std::vector<float> iota(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// A header as numpy writes it, with any dictionary.
std::string header(const std::string& dict) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(dict.size()) + '\0' + dict;
}

std::string header_error(const std::string& dict) {
  try {
    parse_npy_header(as_bytes(header(dict)), "x.npz:a.npy");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Npy, ReadsWhatNumpyWrote) {
  const NpyArray array = open_npy(FileBytes::open(kCorpus + "npy/float.npy"));
  EXPECT_EQ(array.shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(array.all(), Tensor::of<float>({4, 2, 3}, iota(24)));
  EXPECT_EQ(array.row(2), Tensor::of<float>({2, 3}, {12, 13, 14, 15, 16, 17}));
  EXPECT_THROW(array.row(4), Error);
  const NpyArray newer = open_npy(FileBytes::open(kCorpus + "npy/int_version3.npy"));
  EXPECT_EQ(newer.row(3), Tensor::of<int64_t>({3}, {18, 19, 20}));
}

TEST(Npy, ReadsEveryTypeThatItWrites) {
  for (const DType dtype : {DType::kFloat16, DType::kFloat, DType::kDouble, DType::kInt8,
                            DType::kInt16, DType::kInt32, DType::kInt64, DType::kUint8,
                            DType::kUint16, DType::kUint32, DType::kUint64, DType::kBool}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3, 4}}) {
      const std::string bytes = make_npy_header(dtype, shape);
      EXPECT_EQ(bytes.size() % 64, 0u);
      const NpyHeader read = parse_npy_header(as_bytes(bytes), "x");
      EXPECT_EQ(read.dtype, dtype);
      EXPECT_EQ(read.shape, shape);
      EXPECT_EQ(read.data_offset, bytes.size());
    }
  }
}

TEST(Npy, NamesArrayAndReason) {
  EXPECT_THAT(header_error("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }"),
              AllOf(HasSubstr("x.npz:a.npy"), HasSubstr("big-endian")));
  EXPECT_THAT(header_error("{'descr': '<c8', 'fortran_order': False, 'shape': (3,), }"),
              HasSubstr("<c8"));
  EXPECT_THAT(header_error("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"),
              HasSubstr("|O"));
  EXPECT_THAT(header_error("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }"),
              HasSubstr("Fortran"));
  EXPECT_THAT(header_error("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -4), }"),
              HasSubstr("malformed"));
  EXPECT_THAT(header_error("{'descr': '<f4', 'fortran_order': False}"), HasSubstr("malformed"));
}

TEST(Npy, ChecksTheHeaderAgainstTheFile) {
  const TemporaryFolder folder;
  for (const Shape& shape : {Shape{5}, Shape{int64_t{1} << 61},
                             Shape{int64_t{1} << 31, int64_t{1} << 30}, Shape{0, 4}}) {
    const auto path =
        folder.write("x.npy", make_npy_header(DType::kDouble, shape) + std::string(32, 'x'));
    EXPECT_THROW(open_npy(FileBytes::open(path)), Error) << to_string(shape);
  }
}

TEST(Npz, ReadsStoredAndCompressedMembersAlike) {
  for (const char* file : {"npz/stored.npz", "npz/compressed.npz", "npz/zip64.npz"}) {
    const auto arrays = open_npz(FileBytes::open(kCorpus + file));
    ASSERT_EQ(arrays.size(), 2u);
    EXPECT_EQ(arrays.at("image").header().shape, (Shape{4, 2, 3}));
    EXPECT_EQ(arrays.at("image").open().all(), Tensor::of<float>({4, 2, 3}, iota(24)));
    EXPECT_EQ(arrays.at("image").open().row(3),
              Tensor::of<float>({2, 3}, {18, 19, 20, 21, 22, 23}));
    EXPECT_EQ(arrays.at("label").open().all(), Tensor::of<int64_t>({4}, {2, 0, 1, 2}));
  }
}

TEST(Npz, NoticesDamageInACompressedMember) {
  const TemporaryFolder folder;
  auto bytes = FileBytes::open(kCorpus + "npz/compressed.npz")->read_all();
  size_t wrong = 0;
  for (size_t i = 60; i < 160; ++i) {  // within the first member's data
    auto damaged = bytes;
    damaged[i] ^= std::byte{0x10};
    try {
      for (const auto& [name, member] : open_npz(FileBytes::open(folder.write("x.npz", damaged))))
        member.open().all();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("x.npz"));
      ++wrong;
    }
  }
  EXPECT_EQ(wrong, 100u);
}

TEST(Npz, RejectsWhatIsNoArchiveOfArrays) {
  const TemporaryFolder folder;
  EXPECT_THROW(open_npz(FileBytes::open(folder.write("x.npz", "PK but no archive"))), Error);
  std::string archive = make_npz({{"a", make_npy<float>({1}, {1})}});
  for (size_t at = 0; (at = archive.find("a.npy", at)) != std::string::npos;)
    archive.replace(at, 5, "a.txt");
  EXPECT_THROW(open_npz(FileBytes::open(folder.write("x.npz", archive))), Error);
}

}  // namespace
}  // namespace halftone

#include "halftone/data/open_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"
#include "tests/numpy_files.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kCorpus = HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/";

std::vector<std::byte> corpus(const std::string& file) {
  return FileBytes::open(kCorpus + file)->read_all();
}

std::string open_error(const std::filesystem::path& path, const DatasetOptions& options) {
  try {
    open_dataset(path, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const DatasetOptions kImages{.preprocess = Preprocess{}};

TEST(OpenDataset, TellsWhatLiesAtThePath) {
  const TemporaryFolder folder;
  folder.write("folder/cat/a.jpg", corpus("image/420.jpg"));
  folder.write("arrays/a.npz", corpus("npz/stored.npz"));
  folder.write("arrays/b.npz", corpus("npz/compressed.npz"));
  folder.write("cifar/data_batch_1.bin", std::string(3073 * 2, '\0'));
  folder.write("cifar/test_batch.bin", std::string(3073, '\0'));
  folder.write("cifar/batches.meta.txt", "airplane");
  folder.write("idx/train-images-idx3-ubyte.gz", corpus("idx/images-idx3-ubyte.gz"));
  folder.write("idx/t10k-images-idx3-ubyte",
               std::string("\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1x", 17));
  const auto size = [&](const std::string& path) {
    return open_dataset(folder.path() / path, kImages)->size();
  };
  EXPECT_EQ(size("folder"), 1u);
  EXPECT_EQ(size("arrays"), 8u);
  EXPECT_EQ(size("arrays/a.npz"), 4u);
  EXPECT_EQ(size("cifar"), 2u);
  EXPECT_EQ(size("cifar/test_batch.bin"), 1u);
  EXPECT_EQ(size("idx"), 2u);
  EXPECT_EQ(size("idx/t10k-images-idx3-ubyte"), 1u);
  EXPECT_EQ(open_dataset(kCorpus + "npy/float.npy", {})->size(), 4u);
}

TEST(OpenDataset, NamesThePathAndWhatIsUnderstood) {
  const TemporaryFolder folder;
  EXPECT_THAT(open_error(folder.path() / "missing", kImages),
              AllOf(HasSubstr("missing"), HasSubstr(".npz")));
  EXPECT_THAT(open_error(folder.write("notes.txt", "hello"), kImages),
              AllOf(HasSubstr("notes.txt"), HasSubstr(".npz")));
  EXPECT_THAT(open_error(folder.write("empty.npz", ""), kImages), HasSubstr("empty.npz"));
  std::filesystem::create_directory(folder.path() / "empty");
  EXPECT_THAT(open_error(folder.path() / "empty", kImages), HasSubstr("empty"));
}

TEST(OpenDataset, AsksForPreprocessingOfImages) {
  const TemporaryFolder folder;
  folder.write("cat/a.jpg", corpus("image/420.jpg"));
  EXPECT_THAT(open_error(folder.path(), {}), AllOf(HasSubstr("--preprocess imagenet"),
                                                   HasSubstr("cifar10"), HasSubstr("FILE.json")));
}

TEST(OpenDataset, LimitsSpreadOverClassesInFolderOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"cat", "dog", "eel"})
    for (int i = 0; i < 10; ++i) folder.write(text(name, "/", i, ".jpg"), corpus("image/420.jpg"));
  const auto open = [&](size_t limit, uint64_t seed) {
    return open_dataset(folder.path(), {.preprocess = Preprocess{}, .limit = limit, .seed = seed});
  };
  const auto some = open(6, 1);
  EXPECT_EQ(some->labels(), (std::vector<int64_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(some->class_count(), 3u);
  EXPECT_LT(some->name(0), some->name(1));
  EXPECT_EQ(some->load(5).at(0), open_dataset(folder.path(), kImages)->load(0).at(0));
  EXPECT_EQ(open(100, 1)->size(), 30u);
  EXPECT_THROW(open(0, 1), UsageError);
  const auto names = [](const Dataset& data) {
    std::vector<std::string> all;
    for (size_t i = 0; i < data.size(); ++i) all.push_back(data.name(i));
    return all;
  };
  EXPECT_EQ(names(*open(6, 1)), names(*some));
  EXPECT_NE(names(*open(6, 2)), names(*some));
}

}  // namespace
}  // namespace halftone

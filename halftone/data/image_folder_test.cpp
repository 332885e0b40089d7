#include "halftone/data/image_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::byte> picture() {
  return FileBytes::open(HALFTONE_SOURCE_DIR "/tests/fuzz/corpus/image/420.jpg")->read_all();
}

std::shared_ptr<const Dataset> open(const TemporaryFolder& folder,
                                    std::optional<ClassList> classes = {}) {
  return open_image_folder(folder.path(), classes, Preprocess{}, {});
}

std::string open_error(const TemporaryFolder& folder, std::optional<ClassList> classes = {}) {
  try {
    open(folder, std::move(classes));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string short_name(const TemporaryFolder& folder, const Dataset& data, size_t i) {
  return std::filesystem::relative(data.name(i), folder.path()).string();
}

TEST(ImageFolder, OrdersByClassThenFileName) {
  const TemporaryFolder folder;
  for (const char* file : {"dog/b.jpg", "dog/a.JPEG", "cat/10.png", "cat/9.jpg", "ape/x.Jpg"})
    folder.write(file, picture());
  folder.write("cat/notes.txt", "");
  folder.write("cat/.hidden.jpg", "");
  folder.write("README.md", "");
  const auto data = open(folder);
  ASSERT_EQ(data->size(), 5u);
  EXPECT_EQ(data->class_count(), 3u);
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{0, 1, 1, 2, 2}));
  EXPECT_TRUE(data->is_labelled());
  std::vector<std::string> names;
  for (size_t i = 0; i < data->size(); ++i) names.push_back(short_name(folder, *data, i));
  EXPECT_EQ(names, (std::vector<std::string>{"ape/x.Jpg", "cat/10.png", "cat/9.jpg", "dog/a.JPEG",
                                             "dog/b.jpg"}));
  EXPECT_EQ(data->load(1).at(0).shape(), (Shape{3, 19, 23}));
}

TEST(ImageFolder, TakesImagesDirectlyInItAsUnlabelled) {
  const TemporaryFolder folder;
  folder.write("b.jpg", picture());
  folder.write("a.jpg", picture());
  folder.write("docs/readme.txt", "");
  const auto data = open(folder);
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{-1, -1}));
  EXPECT_FALSE(data->is_labelled());
  EXPECT_EQ(data->class_count(), 0u);
  EXPECT_EQ(short_name(folder, *data, 0), "a.jpg");
}

TEST(ImageFolder, LabelsByTheClassList) {
  const TemporaryFolder folder;
  folder.write("n02/a.jpg", picture());
  folder.write("n01/a.jpg", picture());
  const auto data = open(folder, parse_class_list("5\tn01\n2\tn02\n9\tn03\n", "x"));
  EXPECT_EQ(data->labels(), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(data->class_count(), 10u);
  EXPECT_THAT(open_error(folder, parse_class_list("5\tn01\n", "x")),
              AllOf(HasSubstr("n02"), HasSubstr("class list")));
}

TEST(ImageFolder, NamesWhatIsWrongWithAFolder) {
  const TemporaryFolder empty;
  EXPECT_THAT(open_error(empty), HasSubstr(empty.path().string()));

  const TemporaryFolder hollow;
  hollow.write("cat/a.jpg", picture());
  hollow.write("dog/readme.txt", "");
  EXPECT_THAT(open_error(hollow), HasSubstr("dog"));

  const TemporaryFolder mixed;
  mixed.write("cat/a.jpg", picture());
  mixed.write("stray.jpg", picture());
  EXPECT_THAT(open_error(mixed), AllOf(HasSubstr("stray.jpg"), HasSubstr("cat")));
}

TEST(ImageFolder, NamesAFolderThatCannotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads every folder";
  const TemporaryFolder folder;
  folder.write("cat/a.jpg", picture());
  std::filesystem::permissions(folder.path() / "cat", std::filesystem::perms::none);
  EXPECT_THAT(open_error(folder), HasSubstr("cat"));
  std::filesystem::permissions(folder.path() / "cat", std::filesystem::perms::owner_all);
}

TEST(ImageFolder, NamesTheBrokenImage) {
  const TemporaryFolder folder;
  folder.write("cat/a.jpg", picture());
  folder.write("cat/broken.jpg", "\xff\xd8\xff\xe0 not an image");
  std::filesystem::create_directories(folder.path() / "cat/folder.jpg");
  const auto data = open(folder);
  for (size_t i : {1, 2}) {
    try {
      data->load(i);
      ADD_FAILURE() << data->name(i);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(data->name(i)));
    }
  }
}

TEST(ImageFolder, NamesTheImageThatDoesNotFitTheModel) {
  const TemporaryFolder folder;
  folder.write("a.jpg", picture());
  const Value input{
      "image",
      {DType::kFloat, SymbolicShape{{-1, "batch"}, Dim::of(3), Dim::of(32), Dim::of(32)}},
      {}};
  const auto data = open_image_folder(folder.path(), {}, Preprocess{}, {input});
  try {
    data->load(0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("a.jpg"), HasSubstr("image"), HasSubstr("[3,19,23]")));
  }
  // With a crop it is known before any image is read.
  EXPECT_THROW(open_image_folder(folder.path(), {}, Preprocess{.crop = 8}, {input}), Error);
}

}  // namespace
}  // namespace halftone

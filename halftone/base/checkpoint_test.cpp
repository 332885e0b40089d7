#include "halftone/base/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { std::filesystem::remove_all(folder_); }
  ~CheckpointTest() override { std::filesystem::remove_all(folder_); }
  halftone::Run run(bool resume) const {
    return {.checkpoint = folder_.string(), .resume = resume};
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / "halftone-checkpoint-test";
};

TEST_F(CheckpointTest, FindsWhatWasWrittenOnResume) {
  const std::string bytes("a\0b", 3);
  Checkpoint(run(false), {{"method", "qdrop"}}).write("block-1", bytes);
  const Checkpoint again(run(true), {{"method", "qdrop"}});
  EXPECT_EQ(again.read("block-1"), bytes);
  EXPECT_EQ(again.read("block-2"), std::nullopt);
}

TEST_F(CheckpointTest, RefusesAFolderInUseWithoutResume) {
  Checkpoint(run(false), {});
  EXPECT_THAT([&] { Checkpoint(run(false), {}); }, ThrowsMessage<Error>(HasSubstr("--resume")));
}

TEST_F(CheckpointTest, NamesWhatDiffers) {
  Checkpoint(run(false), {{"method", "qdrop"}, {"seed", "1"}});
  EXPECT_THAT(
      [&] {
        Checkpoint(run(true), {{"method", "qdrop"}, {"seed", "2"}});
      },
      ThrowsMessage<Error>(AllOf(HasSubstr("seed is 1"), HasSubstr("now it is 2"))));
}

TEST_F(CheckpointTest, ResumeOfNothingStartsFromTheBeginning) {
  EXPECT_EQ(Checkpoint(run(true), {{"seed", "1"}}).read("block-1"), std::nullopt);
}

TEST_F(CheckpointTest, WithoutAFolderKeepsNothing) {
  const Checkpoint none(halftone::Run{}, {{"seed", "1"}});
  none.write("block-1", "bytes");
  EXPECT_EQ(none.read("block-1"), std::nullopt);
}

}  // namespace
}  // namespace halftone

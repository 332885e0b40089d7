#include "halftone/base/nearest.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(Nearest, DistanceCountsInsertedDeletedAndChangedLetters) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("conv", ""), 4u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("sitting", "kitten"), 3u);
}

TEST(Nearest, ProposesOnlyWhatIsLikeTheName) {
  const std::vector<std::string> known{"inspect", "eval", "quantize"};
  EXPECT_EQ(did_you_mean("quantise", known), "; did you mean 'quantize'?");
  EXPECT_EQ(did_you_mean("evla", known), "; did you mean 'eval'?");
  EXPECT_EQ(did_you_mean("xyzzy", known), "");
  EXPECT_EQ(did_you_mean("eval", {}), "");
}

}  // namespace
}  // namespace halftone

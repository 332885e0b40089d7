#include "halftone/base/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

TEST(JsonText, ErrorsTellTheLineAndNothingOfTheLibrary) {
  try {
    parse_json("{\n\"a\": }");
    FAIL() << "that is no JSON";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("not JSON: "));
    EXPECT_THAT(error.what(), testing::HasSubstr("line 2"));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("json.exception")));
  }
}

TEST(JsonText, ReadsJson) { EXPECT_EQ(parse_json("{\"a\": [1, 2]}")["a"][1], 2); }

}  // namespace
}  // namespace halftone

#include "halftone/base/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/message_of.h"

namespace halftone {
namespace {

TEST(JsonText, ErrorsTellTheLineAndNothingOfTheLibrary) {
  const std::string message = message_of([] { parse_json("{\n\"a\": }"); });
  EXPECT_THAT(message, testing::StartsWith("not JSON: "));
  EXPECT_THAT(message, testing::HasSubstr("line 2"));
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("json.exception")));
}

TEST(JsonText, ReadsJson) { EXPECT_EQ(parse_json("{\"a\": [1, 2]}")["a"][1], 2); }

}  // namespace
}  // namespace halftone

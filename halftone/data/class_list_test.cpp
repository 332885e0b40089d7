#include "halftone/data/class_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string parse_error(const std::string& text) {
  try {
    parse_class_list(text, "classes.tsv");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClassList, ReadsIndexFolderAndName) {
  const ClassList classes =
      parse_class_list("index\tfolder\tname\n# two\n\n7\tn01\tgreat white shark\r\n3\tn02", "x");
  EXPECT_EQ(classes.count, 8u);
  ASSERT_TRUE(classes.find("n01"));
  EXPECT_EQ(classes.find("n01")->index, 7);
  EXPECT_EQ(classes.find("n01")->name, "great white shark");
  EXPECT_EQ(classes.find("n02")->index, 3);
  EXPECT_EQ(classes.find("n03"), nullptr);
}

TEST(ClassList, NamesFileAndLineOfAMistake) {
  EXPECT_THAT(parse_error("0\ta\n0\tb"),
              AllOf(HasSubstr("classes.tsv"), HasSubstr("line 2"), HasSubstr("index 0")));
  EXPECT_THAT(parse_error("0\ta\n1\ta"), AllOf(HasSubstr("line 2"), HasSubstr("'a'")));
  EXPECT_THAT(parse_error("0\ta\n-1\tb"), HasSubstr("line 2"));
  EXPECT_THAT(parse_error("0\ta\n1"), HasSubstr("line 2"));
  EXPECT_THAT(parse_error("0\ta\nb\tc"), HasSubstr("line 2"));
  EXPECT_THAT(parse_error("0\ta\n99999999999\tc"), HasSubstr("line 2"));
  EXPECT_THAT(parse_error(""), HasSubstr("classes.tsv"));
}

}  // namespace
}  // namespace halftone

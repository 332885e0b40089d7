#include "halftone/base/utf8.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

TEST(Utf8, AcceptsWellFormedTextOnly) {
  for (const char* good : {"", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xff"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(Utf8, PrintableTextIsUtf8AndKeepsWhatIsGood) {
  EXPECT_EQ(printable("a\xff"
                      "b\x01\xe2\x82\xac\n"),
            "a?b?\xe2\x82\xac\n");
}

}  // namespace
}  // namespace halftone

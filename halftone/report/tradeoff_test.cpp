#include "halftone/report/tradeoff.h"

#include <gtest/gtest.h>

namespace halftone {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Tradeoff, DrawsAPointForEachBudgetAndACellForEachSite) {
  const std::string html = tradeoff_html(
      {.title = "a <network>",
       .sites = {"stem&co", "fc"},
       .points = {{2, 100, 0.5, {2, 2}}, {3, 150, 0.01, {4, 2}}, {4, 200, 0, {4, 4}}}});
  EXPECT_EQ(count(html, "<circle"), 3u);
  EXPECT_EQ(count(html, "<rect"), 6u);
  EXPECT_EQ(count(html, "<network>"), 0u);
  EXPECT_EQ(count(html, "a &lt;network&gt;"), 2u);
  EXPECT_EQ(count(html, "stem&amp;co: 4 bits at an average of 3"), 1u);
  EXPECT_EQ(count(html, "nan"), 0u);
  EXPECT_EQ(count(html, "inf"), 0u);
}

TEST(Tradeoff, OnePointOfNoLossIsDrawnToo) {
  const std::string html =
      tradeoff_html({.title = "x", .sites = {"a"}, .points = {{4, 10, 0, {4}}}});
  EXPECT_EQ(count(html, "<circle"), 1u);
  EXPECT_EQ(count(html, "nan"), 0u);
  EXPECT_EQ(count(html, "inf"), 0u);
}

}  // namespace
}  // namespace halftone

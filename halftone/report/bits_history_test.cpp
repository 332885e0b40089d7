#include "halftone/report/bits_history.h"

#include <gtest/gtest.h>

#include "tests/message_of.h"

namespace halftone {
namespace {

std::string line(int step, int stem, const std::string& other, int bits) {
  return "{\"step\": " + std::to_string(step) +
         ", \"average_weight_bits\": 3.5, \"average_activation_bits\": 8, \"bits\": {\"stem\": " +
         std::to_string(stem) + ", \"" + other + "\": " + std::to_string(bits) + "}}\n";
}

TEST(BitsHistory, DrawsACellForEachSiteAndDecision) {
  const std::string html =
      bits_history_html("a <network>", line(0, 4, "fc", 4) + line(250, 5, "fc", 2), "h.jsonl");
  EXPECT_NE(html.find("a &lt;network&gt;"), std::string::npos);
  EXPECT_NE(html.find("stem: 4 bits at step 0"), std::string::npos);
  EXPECT_NE(html.find("stem: 5 bits at step 250"), std::string::npos);
  EXPECT_NE(html.find("fc: 2 bits at step 250"), std::string::npos);
  EXPECT_NE(html.find("weights 3.5 bits on average, activations 8"), std::string::npos);
}

TEST(BitsHistory, NamesAFileThatIsNone) {
  for (const std::string& lines :
       {std::string("step 1\n"), std::string("{}\n"), line(0, 4, "fc", 4) + line(1, 4, "b", 4)}) {
    const std::string message = message_of([&] { bits_history_html("t", lines, "h.jsonl"); });
    EXPECT_NE(message.find("the history of bits 'h.jsonl'"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace halftone

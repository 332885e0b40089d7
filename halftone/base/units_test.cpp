#include "halftone/base/units.h"

#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

TEST(Units, SizesTakeDecimalsAndBothKindsOfPrefix) {
  EXPECT_EQ(parse_size_bytes("1.5MB"), 1500000u);
  EXPECT_EQ(parse_size_bytes("512KiB"), 524288u);
  EXPECT_EQ(parse_size_bytes("64 kB"), 64000u);
  EXPECT_EQ(parse_size_bytes("17"), 17u);
  for (const char* bad : {"", "MB", "1.5 parsec", "-1kB", "inf", "1e40TB"})
    EXPECT_THROW(parse_size_bytes(bad), UsageError) << bad;
}

TEST(Units, DurationsTakeSecondsMinutesHours) {
  EXPECT_EQ(parse_duration_seconds("20m"), 1200);
  EXPECT_EQ(parse_duration_seconds("1.5h"), 5400);
  EXPECT_EQ(parse_duration_seconds("90"), 90);
  EXPECT_THROW(parse_duration_seconds("soon"), UsageError);
}

TEST(Units, FiguresHaveThreeDigits) {
  EXPECT_EQ(format_bytes(1116000), "1.12 MB");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_seconds(0.0123), "12.3 ms");
  EXPECT_EQ(format_seconds(75), "1 min 15 s");
  EXPECT_EQ(format_count(40600000), "40.6 M");
}

}  // namespace
}  // namespace halftone

#include "halftone/ptq/quality_target.h"

#include <gtest/gtest.h>

#include "halftone/base/error.h"
#include "tests/message_of.h"

namespace halftone {
namespace {

QuantizeReport report_of(double before, double after, double error, double sqnr) {
  QuantizeReport report;
  report.top1_before = before, report.top1_after = after;
  report.drop_error = error, report.sqnr_db = sqnr;
  return report;
}

TEST(QualityTarget, IsReadFromText) {
  EXPECT_EQ(parse_quality_target("0.5").points, 0.5);
  EXPECT_FALSE(parse_quality_target("0.5").ignores_labels);
  EXPECT_EQ(parse_quality_target("25dB").sqnr_db, 25);
  EXPECT_TRUE(parse_quality_target("25dB").ignores_labels);
  for (const char* bad : {"", "-1", "x", "3%", "25db", "0.5 points", "nan", "inf"}) {
    const std::string message = message_of([&] { parse_quality_target(bad); });
    EXPECT_NE(message.find("--max-drop"), std::string::npos) << bad;
  }
}

TEST(QualityTarget, AllowsForFewSamplesButNotWhereThereIsValidation) {
  const QualityTarget target{.points = 1};
  QuantizeReport report = report_of(90, 88.5, 0.6, 5);
  EXPECT_TRUE(target.is_met(report));
  report.is_validated = true;
  EXPECT_FALSE(target.is_met(report));
  EXPECT_FALSE(target.is_met(report_of(90, 88, 0.6, 50)));
  EXPECT_TRUE(target.is_met(report_of(90, 91, 0.6, 5))) << "a gain is no drop";
}

TEST(QualityTarget, GoesBySqnrWithoutLabels) {
  QuantizeReport report;
  report.sqnr_db = 19;
  EXPECT_FALSE((QualityTarget{.sqnr_db = 20}.is_met(report)));
  EXPECT_TRUE((QualityTarget{.sqnr_db = 19}.is_met(report)));
  EXPECT_FALSE(parse_quality_target("30dB").is_met(report_of(90, 90, 0, 29)))
      << "asked for in decibels, whatever the labels say";
}

TEST(QualityTarget, PrefersMoreRightAnswersThenLessNoise) {
  const QualityTarget target;
  EXPECT_TRUE(target.prefers(report_of(90, 89, 0, 5), report_of(90, 88, 0, 50)));
  EXPECT_TRUE(target.prefers(report_of(90, 89, 0, 6), report_of(90, 89, 0, 5)));
  EXPECT_TRUE(
      parse_quality_target("20dB").prefers(report_of(90, 88, 0, 6), report_of(90, 89, 0, 5)));
}

}  // namespace
}  // namespace halftone

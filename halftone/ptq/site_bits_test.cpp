#include "halftone/ptq/site_bits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace halftone {
namespace {

using testing::HasSubstr;

// Weights "stage1.conv" and "stage2.conv", activations "image" and "stage1.out".
Placement placement() {
  Placement placement;
  for (const char* name : {"stage1.conv", "stage2.conv"})
    placement.sites.push_back({.name = name, .kind = SiteKind::kWeight});
  for (const char* name : {"image", "stage1.out"})
    placement.sites.push_back({.name = name, .kind = SiteKind::kActivation});
  return placement;
}

std::map<std::string, QuantSpec> specs_of(const QuantizeOptions& options, const char* target = "onnxruntime") {
  return site_specs(placement(), Registry<Profile>::get(target), options);
}

std::string error_of(const QuantizeOptions& options, const char* target = "onnxruntime") {
  try {
    specs_of(options, target);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SiteBits, PatternsMatchWholeNames) {
  EXPECT_TRUE(matches("stage?.conv", "stage1.conv"));
  EXPECT_TRUE(matches("*conv", "stage1.conv"));
  EXPECT_TRUE(matches("*1*c*v", "stage1.conv"));
  EXPECT_FALSE(matches("stage1", "stage1.conv"));
  EXPECT_FALSE(matches("stage?conv?", "stage1.conv"));
  EXPECT_TRUE(matches("*", ""));
}

TEST(SiteBits, FixesWinOverThePlanAndThePlanOverDefaults) {
  const std::string text = R"({"sites": {"stage1.conv": 3, "stage2.conv": 3, "image": 5}})";
  const auto specs = specs_of({.weights = 4,
                               .activations = 6,
                               .plan = parse_plan(text, "plan.json"),
                               .plan_text = text,
                               .plan_source = "plan.json",
                               .fixes = {"stage*.conv=7", "stage2*=2"}});
  EXPECT_EQ(specs.at("stage1.conv").bits, 7);
  EXPECT_EQ(specs.at("stage2.conv").bits, 2);
  EXPECT_EQ(specs.at("image").bits, 5);
  EXPECT_EQ(specs.at("stage1.out").bits, 6);
}

TEST(SiteBits, FloatKeepsASite) { EXPECT_TRUE(specs_of({.fixes = {"image=float"}}).at("image").is_float()); }

TEST(SiteBits, ErrorsNameTheFixOrTheSite) {
  EXPECT_THAT(error_of({.fixes = {"stage9*=4"}}), HasSubstr("stage9*"));
  EXPECT_THAT(error_of({.fixes = {"image"}}), HasSubstr("SITE=BITS"));
  EXPECT_THAT(error_of({.fixes = {"image=4x"}}), HasSubstr("SITE=BITS"));
  EXPECT_THAT(error_of({.fixes = {"stage1.conv=9"}}), HasSubstr("'stage1.conv': 9 bits"));
  EXPECT_THAT(error_of({.fixes = {"image=1"}}), HasSubstr("'image': 1 bits"));
  EXPECT_THAT(error_of({.activations = 4}, "tensorrt"), HasSubstr("tensorrt"));
}

TEST(SiteBits, APlanForAnUnknownSiteNamesItsLineAndTheNearestSite) {
  const std::string text = "{\"sites\": {\n\"stage1.cnov\": 4}}";
  const std::string error =
      error_of({.plan = parse_plan(text, "plan.json"), .plan_text = text, .plan_source = "plan.json"});
  EXPECT_THAT(error, HasSubstr("line 2"));
  EXPECT_THAT(error, HasSubstr("stage1.conv"));
}

}  // namespace
}  // namespace halftone

#include "halftone/ptq/site_bits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/message_of.h"

namespace halftone {
namespace {

using testing::HasSubstr;

// Three layers in a row: image -> stage1 -> stage2 -> stage3 -> out.
Graph chain() {
  Graph graph;
  graph.nodes = {
      {.op_type = "Conv", .inputs = {"image", "stage1.conv"}, .outputs = {"stage1.out"}},
      {.op_type = "Conv", .inputs = {"stage1.out", "stage2.conv"}, .outputs = {"stage2.out"}},
      {.op_type = "Conv", .inputs = {"stage2.out", "stage3.conv"}, .outputs = {"out"}}};
  for (const char* weight : {"stage1.conv", "stage2.conv", "stage3.conv"})
    graph.initializers[weight] = Tensor::of<float>({1, 1, 1, 1}, {1.0f});
  return graph;
}

Placement placement() {
  Placement placement;
  placement.is_integer = {true, true, true};
  for (int i = 0; i < 3; ++i)
    placement.sites.push_back(
        {.name = text("stage", i + 1, ".conv"), .kind = SiteKind::kWeight, .node = i});
  for (const char* name : {"image", "stage1.out", "stage2.out", "out"})
    placement.sites.push_back({.name = name, .kind = SiteKind::kActivation, .shares_with = name});
  return placement;
}

std::map<std::string, QuantSpec> specs_of(const QuantizeOptions& options,
                                          const char* target = "onnxruntime") {
  return site_specs(chain(), placement(), Registry<Profile>::get(target), options);
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

TEST(SiteBits, EndsAndWhatNoLayerReadsKeepEightBits) {
  const auto specs = specs_of({.weights = 2, .activations = 3});
  for (const char* site : {"stage1.conv", "image", "stage3.conv", "stage2.out", "out"})
    EXPECT_EQ(specs.at(site).bits, 8) << site;
  EXPECT_EQ(specs.at("stage2.conv").bits, 2);
  EXPECT_EQ(specs.at("stage1.out").bits, 3);
  EXPECT_EQ(specs_of({.weights = 2, .fixes = {"*=4"}}).at("stage1.conv").bits, 4)
      << "a fix wins over the default";
}

TEST(SiteBits, FloatKeepsASite) {
  EXPECT_TRUE(specs_of({.fixes = {"image=float"}}).at("image").is_float());
}

TEST(SiteBits, ErrorsNameTheFixOrTheSite) {
  EXPECT_THAT(error_of({.fixes = {"stage9*=4"}}), HasSubstr("stage9*"));
  EXPECT_THAT(error_of({.fixes = {"image"}}), HasSubstr("SITE=BITS"));
  EXPECT_THAT(error_of({.fixes = {"image=4x"}}), HasSubstr("SITE=BITS"));
  EXPECT_THAT(error_of({.fixes = {"stage1.conv=9"}}), HasSubstr("'stage1.conv': 9 bits"));
  EXPECT_THAT(error_of({.fixes = {"image=1"}}), HasSubstr("'image': 1 bits"));
  EXPECT_THAT(error_of({.activations = 4}, "tensorrt"), HasSubstr("tensorrt"));
}

QuantizeOptions planned(const std::string& json) {
  return {.plan = parse_plan(json, "plan.json"), .plan_text = json, .plan_source = "plan.json"};
}

TEST(SiteBits, BitsPerChannelMustBeAsManyAsOutputChannels) {
  Placement wide = placement();
  Graph graph = chain();
  graph.initializers["stage2.conv"] = Tensor::of<float>({3, 1, 1, 1}, {1, 2, 3});
  for (Site& site : wide.sites)
    if (site.kind == SiteKind::kWeight) site.axis = 0;
  auto error = [&](const std::string& json) {
    return message_of(
        [&] { site_specs(graph, wide, Registry<Profile>::get("onnxruntime"), planned(json)); });
  };
  EXPECT_EQ(error(R"({"sites": {"stage2.conv": {"channel_bits": [1, 8, 3]}}})"), "no error");
  const std::string two = error(R"({"sites": {"stage2.conv": {"channel_bits": [2, 3]}}})");
  for (const char* part : {"'stage2.conv'", "3 output channels", "2 are given"})
    EXPECT_THAT(two, HasSubstr(part));
  EXPECT_THAT(
      error(R"({"sites": {"stage2.conv": {"channel_bits": [2, 3, 4], "per_channel": false}}})"),
      HasSubstr("one scale"));
  EXPECT_THAT(error(R"({"sites": {"image": {"channel_bits": [2]}}})"),
              HasSubstr("'image': an activation has one width"));
}

TEST(SiteBits, APlanMustNotAskForWhatIsNotDone) {
  auto error = [&](const std::string& json) { return error_of(planned(json)); };
  EXPECT_THAT(error(R"({"sites": {"stage1.conv": {"signed": true}}})"),
              HasSubstr("'stage1.conv': the target onnxruntime decides whether codes are signed"));
  EXPECT_THAT(error(R"({"sites": {"stage1.conv": {"range": [-1, 1]}}})"),
              HasSubstr("a range is for activations"));
  EXPECT_THAT(error(R"({"sites": {"image": {"per_channel": true}}})"),
              HasSubstr("'image': an activation has one scale"));
}

TEST(SiteBits, APlanForAnUnknownSiteNamesItsLineAndTheNearestSite) {
  const std::string text = "{\"sites\": {\n\"stage1.cnov\": 4}}";
  const std::string error = error_of(
      {.plan = parse_plan(text, "plan.json"), .plan_text = text, .plan_source = "plan.json"});
  EXPECT_THAT(error, HasSubstr("line 2"));
  EXPECT_THAT(error, HasSubstr("stage1.conv"));
}

}  // namespace
}  // namespace halftone

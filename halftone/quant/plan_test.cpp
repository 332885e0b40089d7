#include "halftone/quant/plan.h"

#include <gtest/gtest.h>

#include "halftone/base/error.h"

namespace halftone {
namespace {

std::string message_of(const std::string& json) {
  try {
    parse_plan(json, "plan.json");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(QuantPlan, WriteAndReadGiveTheSamePlan) {
  const QuantPlan plan = parse_plan(R"({"format": "halftone-plan", "version": 1, "sites": {
      "a": 4, "b": "float", "c": {"bits": 3, "scheme": "affine", "range": [-1, 2.5], "signed": true, "per_channel": false},
      "d": {"bits": 8, "channel_bits": [2, 4, 8]}, "e": {"bits": 4, "group": 32}}})",
                                    "plan.json");
  EXPECT_EQ(plan.sites.at("a").bits, 4);
  EXPECT_TRUE(plan.sites.at("b").is_float());
  EXPECT_EQ(plan.sites.at("c").range_max, 2.5f);
  const std::string json = to_json(plan);
  const QuantPlan again = parse_plan(json, "again");
  EXPECT_EQ(plan.sites, again.sites);
  EXPECT_EQ(json, to_json(again));
}

TEST(QuantPlan, ErrorsNameTheSiteAndTheLine) {
  for (const char* bad :
       {"17", "0", "\"eight\"", "4.5", "[4]", "{\"bit\": 4}", "{\"bits\": -1}",
        "{\"scheme\": \"odd\"}", "{\"range\": [1, 2]}", "{\"range\": [0, 0]}",
        "{\"channel_bits\": 4}", "{\"channel_bits\": [4, 0]}", "{\"channel_bits\": [9]}",
        "{\"group\": -1}", "{\"group\": 1.5}", "null"}) {
    const std::string message =
        message_of(std::string("{\"sites\": {\n\"x\": 4,\n\"conv.weight\": ") + bad + "}}");
    EXPECT_NE(message.find("line 3"), std::string::npos) << bad << ": " << message;
    EXPECT_NE(message.find("conv.weight"), std::string::npos) << bad << ": " << message;
  }
  for (const char* bad : {"", "{", "[]", "{\"sites\": []}", "{\"sites\": {}, \"version\": 2}",
                          "{\"sites\": {}, \"more\": 1}"})
    EXPECT_NE(message_of(bad), "") << bad;
}

TEST(QuantPlan, RejectsUnknownSiteByName) {
  const std::string json = "{\"sites\": {\n\"conv1.wieght\": 4}}";
  try {
    require_known_sites(parse_plan(json, "plan.json"), {"conv1.weight", "fc.weight"}, json,
                        "plan.json");
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const char* part : {"plan.json", "line 2", "conv1.wieght", "did you mean 'conv1.weight'"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST(QuantPlan, CarriesItsBudget) {
  QuantPlan plan{
      .sites = {},
      .budget = {.weight_bytes = 150'000, .average_weight_bits = 2.5, .bops = 123'456'789'000}};
  plan.sites["a"].bits = 3;
  plan.budget.outside_average = {"a", "b"};
  EXPECT_EQ(parse_plan(to_json(plan), "again").budget, plan.budget);
  EXPECT_TRUE(parse_plan(R"({"sites": {}})", "none").budget.is_empty());
  EXPECT_THROW(parse_plan(R"({"sites": {}, "budget": {"weight_bytes": "100 kB"}})", "plan.json"),
               Error);
  EXPECT_THROW(parse_plan(R"({"sites": {}, "budget": {"weigth_bytes": 100}})", "plan.json"), Error);
}

}  // namespace
}  // namespace halftone

#include "halftone/qat/rescale_depthwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "halftone/graph/interpreter.h"
#include "halftone/ptq/layer_chain.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

constexpr int64_t kChannels = 16;

Graph chain(bool has_clip) {
  LayerChain result({Dim::of(2), Dim::of(3), Dim::of(8), Dim::of(8)});
  result.conv("a", {kChannels, 3, 3, 3}).then("Relu");
  result.conv("b", {kChannels, 1, 3, 3}, {.groups = kChannels});
  if (has_clip)
    result.clip(0.5f);
  else
    result.then("Relu");
  result.conv("c", {8, kChannels, 1, 1});
  return result.graph();
}

ChannelMaxima seen_before_clip(const Graph& graph, const Tensor& x) {
  Graph inner = graph;
  inner.outputs = {{"b", {DType::kFloat, {}}, {}}};
  const auto values = interpret(inner, {{"x", x}})[0];
  const auto all = values.to_vector<float>();
  const size_t plane = all.size() / (2 * kChannels);
  std::vector<float> maxima(kChannels, -1e9f);
  for (size_t i = 0; i < all.size(); ++i) {
    float& most = maxima[i / plane % kChannels];
    most = std::max(most, all[i]);
  }
  return {{"b", maxima}};
}

std::vector<double> ranges(const Graph& graph) {
  std::vector<double> result(kChannels, 0.0);
  const auto values = graph.initializers.at("b.weight").to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i)
    result[i / 9] = std::max(result[i / 9], std::fabs(values[i]));
  return result;
}

TEST(RescaleDepthwise, KeepsTheFunctionOnWhatWasSeenAndLockedChannelsAsTheyAre) {
  for (bool has_clip : {false, true}) {
    SCOPED_TRACE(has_clip);
    const Graph before = chain(has_clip);
    Graph after = before;
    const Tensor x = random_tensor({2, 3, 8, 8}, 7, -2, 2);
    const ChannelMaxima seen = seen_before_clip(before, x);
    ASSERT_EQ(rescale_depthwise(after, seen, 2), 1u);
    const auto wanted = output_of(before, x), got = output_of(after, x);
    for (size_t i = 0; i < wanted.size(); ++i)
      ASSERT_NEAR(got[i], wanted[i], 1e-5 * (1 + std::fabs(wanted[i])));
    const auto was = ranges(before), is = ranges(after);
    double most = 0, least = 1e9;
    for (size_t k = 0; k < was.size(); ++k) {
      const float reached = seen.at("b")[k];
      if (has_clip && reached >= 0.5f * 5.9f / 6) {
        EXPECT_EQ(is[k], was[k]) << "locked";
      } else if (!has_clip) {
        most = std::max(most, is[k]);
        least = std::min(least, is[k]);
      }
    }
    if (!has_clip) {
      EXPECT_NEAR(most / least, 1, 1e-5);
    }
  }
}

TEST(RescaleDepthwise, LeavesEvenFiltersAndUnseenClips) {
  Graph graph = chain(true);
  EXPECT_EQ(rescale_depthwise(graph, {}, 2), 0u);
  EXPECT_EQ(rescale_depthwise(graph, seen_before_clip(graph, random_tensor({2, 3, 8, 8}, 7)), 1e6),
            0u);
}

}  // namespace
}  // namespace halftone

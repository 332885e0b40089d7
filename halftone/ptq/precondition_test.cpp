#include "halftone/ptq/precondition.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "halftone/data/loader.h"
#include "halftone/ptq/layer_chain.h"

namespace halftone {
namespace {

// 40 random images: not a whole number of batches.
class RandomImages : public Dataset {
 public:
  RandomImages() : Dataset({value()}, std::vector<int64_t>(40, -1), 0, "random images") {}
  static Value value() {
    return {
        "x", {DType::kFloat, SymbolicShape{{-1, "batch"}, Dim::of(3), Dim::of(6), Dim::of(6)}}, {}};
  }
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "40 random images"; }

 private:
  std::vector<Tensor> read(size_t i) const override { return {random_tensor({3, 6, 6}, 100 + i)}; }
};

Graph network() {
  LayerChain chain(*RandomImages::value().type.shape);
  Graph graph = chain.conv("a", {8, 3, 1, 1}).clip(0.5f).conv("b", {4, 8, 1, 1}).graph();
  graph.statistics["a"] = {std::vector<double>(8, 0.3), std::vector<double>(8, 0.02)};
  return graph;
}

struct Warnings : Reporter {
  void warning(std::string_view message) override { text += message; }
  std::string text;
};

TEST(Precondition, ClipMaximaAreThoseOfAllSamplesForAnyNumberOfThreads) {
  const RandomImages data;
  const auto one = clip_maxima(network(), data, all_samples(data), false, {.threads = 1});
  EXPECT_EQ(one, clip_maxima(network(), data, all_samples(data), false, {.threads = 3}));
  Graph before_clip = network();
  before_clip.outputs = {{"a", {DType::kFloat, {}}, {}}};
  std::vector<float> wanted(8, -1e9f);
  for (size_t sample = 0; sample < data.size(); ++sample) {
    const auto values =
        output_of(before_clip, random_tensor({3, 6, 6}, 100 + sample).reshaped({1, 3, 6, 6}));
    for (size_t i = 0; i < values.size(); ++i) wanted[i / 36] = std::max(wanted[i / 36], values[i]);
  }
  ASSERT_TRUE(one.contains("a"));
  for (size_t c = 0; c < 8; ++c) EXPECT_NEAR(one.at("a")[c], wanted[c], 1e-5f);
}

TEST(Precondition, DoesWhatIsAskedForAlone) {
  const RandomImages data;
  Graph graph = network();
  precondition(graph, data, {}, {});
  EXPECT_EQ(graph.initializers, network().initializers);
  precondition(graph, data, {.equalize = true}, {});
  EXPECT_NE(graph.initializers.at("b.weight"), network().initializers.at("b.weight"));
}

TEST(Precondition, LeavesBiasesWhoseAbsorptionWouldChangeTheOutput) {
  // The statistics are those of another network: most values are below what they promise.
  Graph graph = network();
  Warnings warnings;
  precondition(graph, RandomImages(), {.absorb_bias = true}, {.reporter = &warnings});
  EXPECT_EQ(graph.initializers, network().initializers);
  EXPECT_NE(warnings.text.find("below 40 dB"), std::string::npos) << warnings.text;
}

}  // namespace
}  // namespace halftone

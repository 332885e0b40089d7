#include "halftone/ptq/explain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "halftone/export/prepare.h"
#include "halftone/ptq/quantize.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

std::vector<Culprit> culprits_of(const Model& model, int bits,
                                 std::vector<std::string> fixes = {}) {
  const QuantizeOptions options{.weights = bits,
                                .activations = 8,
                                .method = "mse",
                                .fixes = std::move(fixes),
                                .explains = true};
  return quantize(model, RandomImages(), options, {}).report.culprits;
}

const Culprit& find(const std::vector<Culprit>& culprits, const std::string& site) {
  return *std::ranges::find(culprits, site,
                            [](const Culprit& culprit) { return culprit.effect.site; });
}

TEST(Explain, RanksAPlantedOutlierFirstAndNamesIt) {
  // One channel behind the block is 50 times as large, and taken back in the float layer behind:
  // the function stays the same, but the sum has one scale for all channels.
  Model model = small_model();
  auto scale = [&](const std::string& name, Shape shape, size_t first, size_t count, size_t step,
                   float factor) {
    std::vector<float> values = model.graph.initializers.at(name).to_vector<float>();
    for (size_t i = 0; i < count; ++i) values[first + i * step] *= factor;
    model.graph.initializers[name] = Tensor::of<float>(std::move(shape), std::move(values));
  };
  scale("b.weight", {8, 8, 3, 3}, 3 * 72, 72, 1, 50);
  scale("fc.weight", {4, 8}, 3, 4, 8, 1.0f / 50);
  const auto culprits = culprits_of(model, 8, {"fc.weight=float"});
  EXPECT_NE(culprits[0].reason.find("channel 3 is"), std::string::npos)
      << culprits[0].effect.site << ": " << culprits[0].reason;
}

TEST(Explain, NamesDeadChannels) {
  Model model = small_model();
  std::vector<float> weight = model.graph.initializers.at("a.weight").to_vector<float>();
  std::fill_n(weight.begin() + 2 * 72, 72, 0.0f);
  model.graph.initializers["a.weight"] = Tensor::of<float>({8, 8, 3, 3}, std::move(weight));
  const auto culprits = culprits_of(model, 4);
  EXPECT_NE(find(culprits, "a.weight").reason.find("1 of 8 channels are dead"), std::string::npos)
      << find(culprits, "a.weight").reason;
}

TEST(Explain, RanksByTheLossAloneAndSaysHowToKeepASiteWide) {
  const auto culprits = culprits_of(small_model(), 2);
  for (size_t i = 1; i < culprits.size(); ++i)
    EXPECT_GE(culprits[i - 1].effect.loss_alone, culprits[i].effect.loss_alone);
  EXPECT_EQ(culprits[0].effect.bits, 2);
  EXPECT_EQ(culprits[0].remedy, text("--fix '", culprits[0].effect.site, "=8'"));
}

}  // namespace
}  // namespace halftone

#include "halftone/ptq/quantize.h"

#include <gtest/gtest.h>

#include "halftone/export/prepare.h"
#include "halftone/nn/network.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

std::map<std::string, std::vector<std::byte>> bytes_of(const Graph& graph) {
  std::map<std::string, std::vector<std::byte>> result;
  for (const auto& [name, tensor] : graph.initializers) result[name] = {tensor.bytes().begin(), tensor.bytes().end()};
  return result;
}

TEST(Quantize, DoesNotDependOnTheNumberOfThreads) {
  for (const auto& [name, method] : Registry<PtqMethod>::all()) {
    const auto one = quantize(small_model(), RandomImages(), {.method = name, .reconstruction = {.iterations = 8}}, {.threads = 1});
    const auto three = quantize(small_model(), RandomImages(), {.method = name, .reconstruction = {.iterations = 8}}, {.threads = 3});
    EXPECT_EQ(bytes_of(one.model.graph), bytes_of(three.model.graph)) << name;
    EXPECT_EQ(one.report.sqnr_db, three.report.sqnr_db) << name;
  }
}

TEST(Quantize, MoreBitsGiveASmallerError) {
  double before = -1;
  for (int bits : {2, 4, 6, 8}) {
    const auto result = quantize(small_model(), RandomImages(), {.weights = bits, .activations = bits, .fixes = {text("*=", bits)}}, {});
    EXPECT_GT(result.report.sqnr_db, before + 5) << bits << " bits";
    before = result.report.sqnr_db;
  }
}

TEST(BiasCorrection, RemovesAPlantedShift) {
  const Model model = prepare(small_model());
  Graph corrected = model.graph;
  Graph shifted = model.graph;
  std::vector<float> bias = shifted.initializers.at("fc.bias").to_vector<float>();
  const std::vector<float> wanted = bias;
  for (size_t i = 0; i < bias.size(); ++i) bias[i] += 0.25f * static_cast<float>(i + 1);
  shifted.initializers["fc.bias"] = Tensor::of<float>({4}, std::move(bias));

  const Placement placement = place(model.graph, Registry<Profile>::get("onnxruntime"), {});
  const RandomImages data;
  correct_biases(corrected, Network(model.graph), Network(shifted), placement, data, all_samples(data), false, {});

  const auto found = corrected.initializers.at("fc.bias").to_vector<float>();
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(found[i] - wanted[i], -0.25f * static_cast<float>(i + 1), 1e-5f) << "output " << i;
  const auto untouched = corrected.initializers.at("a.bias").to_vector<float>();
  const auto bias_of_a = model.graph.initializers.at("a.bias").to_vector<float>();
  for (size_t i = 0; i < bias_of_a.size(); ++i) EXPECT_NEAR(untouched[i], bias_of_a[i], 1e-6f) << "a layer without a shift";
}

TEST(Calibration, NamesTheSiteAndTheSamplesOfAnInfinity) {
  Model model = prepare(small_model());
  std::vector<float> bias(8, 3e38f);
  model.graph.initializers["stem.bias"] = Tensor::of<float>({8}, std::move(bias));
  std::vector<float> weight(216, 3e38f);
  model.graph.initializers["stem.weight"] = Tensor::of<float>({8, 3, 3, 3}, std::move(weight));
  const Placement placement = place(model.graph, Registry<Profile>::get("onnxruntime"), {});
  try {
    calibrate(Network(model.graph), placement, "minmax", RandomImages(), {.batch = 32}, {});
    FAIL() << "accepted infinity";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'s'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'image 0' .. 'image 31'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace halftone

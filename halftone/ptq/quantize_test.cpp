#include "halftone/ptq/quantize.h"

#include <gtest/gtest.h>

#include "halftone/base/rng.h"
#include "halftone/export/prepare.h"
#include "halftone/nn/network.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"

namespace halftone {
namespace {

Value value(const std::string& name, SymbolicShape shape) { return {name, {DType::kFloat, std::move(shape)}, {}}; }

std::vector<float> random_values(size_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(rng.uniform() * 2 - 1);
  return values;
}

// image [N,3,6,6] -> conv+relu -> global pooling -> fully connected -> logits [N,4]
Model small_model() {
  Model model;
  Graph& g = model.graph;
  g.inputs = {value("image", {{-1, "batch"}, Dim::of(3), Dim::of(6), Dim::of(6)})};
  g.outputs = {value("logits", {{-1, "batch"}, Dim::of(4)})};
  g.initializers["conv"] = Tensor::of<float>({8, 3, 3, 3}, random_values(216, 1));
  g.initializers["conv.bias"] = Tensor::of<float>({8}, random_values(8, 2));
  g.initializers["fc"] = Tensor::of<float>({4, 8}, random_values(32, 3));
  g.initializers["fc.bias"] = Tensor::of<float>({4}, random_values(4, 4));
  g.nodes = {
      {.name = "conv", .op_type = "Conv", .inputs = {"image", "conv", "conv.bias"}, .outputs = {"c"}},
      {.name = "relu", .op_type = "Relu", .inputs = {"c"}, .outputs = {"r"}},
      {.name = "pool", .op_type = "GlobalAveragePool", .inputs = {"r"}, .outputs = {"p"}},
      {.name = "flatten", .op_type = "Flatten", .inputs = {"p"}, .outputs = {"f"}},
      {.name = "fc", .op_type = "Gemm", .inputs = {"f", "fc", "fc.bias"}, .outputs = {"logits"},
       .attributes = {{"transB", int64_t{1}}}},
  };
  return model;
}

// 70 random images: not a whole number of batches.
class RandomImages : public Dataset {
 public:
  RandomImages() : Dataset({small_model().graph.inputs}, std::vector<int64_t>(70, -1), 0, "random images") {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "70 random images"; }

 private:
  std::vector<Tensor> read(size_t i) const override { return {Tensor::of<float>({3, 6, 6}, random_values(108, 100 + i))}; }
};

std::map<std::string, std::vector<std::byte>> bytes_of(const Graph& graph) {
  std::map<std::string, std::vector<std::byte>> result;
  for (const auto& [name, tensor] : graph.initializers) result[name] = {tensor.bytes().begin(), tensor.bytes().end()};
  return result;
}

TEST(Quantize, DoesNotDependOnTheNumberOfThreads) {
  for (const auto& [name, method] : Registry<PtqMethod>::all()) {
    const auto one = quantize(small_model(), RandomImages(), {.method = name}, {.threads = 1});
    const auto three = quantize(small_model(), RandomImages(), {.method = name}, {.threads = 3});
    EXPECT_EQ(bytes_of(one.model.graph), bytes_of(three.model.graph)) << name;
    EXPECT_EQ(one.report.sqnr_db, three.report.sqnr_db) << name;
  }
}

TEST(Quantize, MoreBitsGiveASmallerError) {
  double before = -1;
  for (int bits : {2, 4, 6, 8}) {
    const auto result = quantize(small_model(), RandomImages(), {.weights = bits, .activations = bits}, {});
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
  const auto untouched = corrected.initializers.at("conv.bias").to_vector<float>();
  const auto conv = model.graph.initializers.at("conv.bias").to_vector<float>();
  for (size_t i = 0; i < conv.size(); ++i) EXPECT_NEAR(untouched[i], conv[i], 1e-6f) << "a layer without a shift";
}

TEST(Calibration, NamesTheSiteAndTheSamplesOfAnInfinity) {
  Model model = prepare(small_model());
  std::vector<float> bias(8, 3e38f);
  model.graph.initializers["conv.bias"] = Tensor::of<float>({8}, std::move(bias));
  std::vector<float> weight(216, 3e38f);
  model.graph.initializers["conv"] = Tensor::of<float>({8, 3, 3, 3}, std::move(weight));
  const Placement placement = place(model.graph, Registry<Profile>::get("onnxruntime"), {});
  try {
    calibrate(Network(model.graph), placement, "minmax", RandomImages(), {.batch = 32}, {});
    FAIL() << "accepted infinity";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'r'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'image 0' .. 'image 31'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace halftone

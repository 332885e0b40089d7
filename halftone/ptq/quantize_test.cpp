#include "halftone/ptq/quantize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "halftone/export/prepare.h"
#include "halftone/nn/network.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/ptq/bias_correction.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/quant/weight_scales.h"
#include "tests/small_network.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

std::map<std::string, std::vector<std::byte>> bytes_of(const Graph& graph) {
  std::map<std::string, std::vector<std::byte>> result;
  for (const auto& [name, tensor] : graph.initializers)
    result[name] = {tensor.bytes().begin(), tensor.bytes().end()};
  return result;
}

// Of each channel of a value, over all samples and positions.
std::vector<double> means_of(const std::string& value, const Network& network,
                             const Dataset& data) {
  const Batch batch = load_batch(data, all_samples(data), {.batch = data.size()});
  const at::Tensor found =
      network.run(network_inputs(network, batch), {.capture = {value}}).at(value);
  const at::Tensor means = found.to(at::kDouble).mean({0, 2, 3}).contiguous();
  return {means.const_data_ptr<double>(), means.const_data_ptr<double>() + means.numel()};
}

TEST(Quantize, DoesNotDependOnTheNumberOfThreads) {
  for (const auto& [name, method] : Registry<PtqMethod>::all()) {
    const auto one =
        quantize(small_model(), RandomImages(),
                 {.method = name, .reconstruction = {.iterations = 8}}, {.threads = 1});
    const auto three =
        quantize(small_model(), RandomImages(),
                 {.method = name, .reconstruction = {.iterations = 8}}, {.threads = 3});
    EXPECT_EQ(bytes_of(one.model.graph), bytes_of(three.model.graph)) << name;
    EXPECT_EQ(one.report.sqnr_db, three.report.sqnr_db) << name;
  }
}

TEST(Quantize, MoreBitsGiveASmallerError) {
  double before = -1;
  for (int bits : {2, 4, 6, 8}) {
    const auto result = quantize(
        small_model(), RandomImages(),
        {.weights = bits, .activations = bits, .method = "mse", .fixes = {text("*=", bits)}}, {});
    EXPECT_GT(result.report.sqnr_db, before + 5) << bits << " bits";
    before = result.report.sqnr_db;
  }
}

const QuantizeOptions kThreeBits{
    .weights = 3, .activations = 3, .reconstruction = {.iterations = 40}};

QuantizeOptions asking_for(double sqnr_db) {
  QuantizeOptions options = kThreeBits;
  options.quality.sqnr_db = sqnr_db;
  return options;
}

TEST(Auto, StopsAtTheFirstMethodThatIsGoodEnough) {
  const auto result = quantize(small_model(), RandomImages(), asking_for(-100), {});
  ASSERT_EQ(result.report.rungs.size(), 1u);
  EXPECT_TRUE(result.report.rungs[0].is_met);
  EXPECT_EQ(result.report.method, "corrected");
  QuantizeOptions alone = kThreeBits;
  alone.method = "corrected";
  EXPECT_EQ(bytes_of(result.model.graph),
            bytes_of(quantize(small_model(), RandomImages(), alone, {}).model.graph));
}

TEST(Auto, TriesAllAndKeepsTheBestWhereNothingIsGoodEnough) {
  const auto result = quantize(small_model(), RandomImages(), asking_for(200), {});
  const auto& rungs = result.report.rungs;
  ASSERT_EQ(rungs.size(), Registry<PtqMethod>::get("auto").rungs.size());
  double best = -1e9;
  for (const RungReport& rung : rungs) {
    EXPECT_FALSE(rung.is_met);
    best = std::max(best, rung.sqnr_db);
  }
  EXPECT_EQ(result.report.sqnr_db, best);
  EXPECT_EQ(std::ranges::find(rungs, best, &RungReport::sqnr_db)->method, result.report.method);
}

TEST(Auto, KeepsWhatItHasWhenTheTimeIsUp) {
  const auto result = quantize(small_model(), RandomImages(), asking_for(200),
                               {.deadline = std::chrono::steady_clock::now()});
  EXPECT_EQ(result.report.rungs.size(), 1u);
  EXPECT_EQ(result.report.method, "corrected");
}

TEST(Auto, EveryRungIsAMethodThatIsNoLadder) {
  for (const auto& [name, method] : Registry<PtqMethod>::all())
    for (const std::string& rung : method.rungs)
      EXPECT_TRUE(Registry<PtqMethod>::get(rung).rungs.empty()) << name << ": " << rung;
}

TEST(Quantize, ValidationDataReplaceCalibrationSamplesInTheFigures) {
  const RandomImages data;
  QuantizeOptions options{.method = "minmax"};
  options.validation = &data;
  const auto report = quantize(small_model(), data, options, {}).report;
  EXPECT_TRUE(report.is_validated);
  EXPECT_EQ(report.compared_samples, data.size());
}

TEST(BiasCorrection, RemovesTheShiftThatRoundingMakes) {
  const Model model = prepare(small_model());
  const Network network(model.graph);
  const RandomImages data;
  // Codes that are all half a step too large: each output channel's mean moves.
  Tensor moved = model.graph.initializers.at("b.weight");
  QuantParams params = weight_params(moved, 0, 4, {-7, 7}, WeightScale::kMinMax, "b.weight");
  QuantTensor rounded = quantize_tensor(moved, params, "b.weight");
  for (int32_t& code : rounded.codes) code = std::min(7, code + 1);

  const LoadOptions how{.batch = 16};
  Graph corrected = model.graph;
  correct_biases(corrected, network, {{"b.weight", rounded}}, data, all_samples(data), how, {});

  Graph uncorrected = model.graph, quantized = corrected;
  uncorrected.initializers["b.weight"] = quantized.initializers["b.weight"] =
      dequantize_tensor(rounded);
  const auto wanted = means_of("bc", Network(model.graph), data);
  const auto before = means_of("bc", Network(uncorrected), data),
             after = means_of("bc", Network(quantized), data);
  for (size_t c = 0; c < wanted.size(); ++c) {
    EXPECT_GT(std::abs(before[c] - wanted[c]), 0.01) << "channel " << c;
    EXPECT_NEAR(after[c], wanted[c], 1e-5) << "channel " << c;
  }
  EXPECT_EQ(corrected.initializers.at("a.bias").to_vector<float>(),
            model.graph.initializers.at("a.bias").to_vector<float>());
}

// What empirical correction takes off "b.bias" of `graph`, where the float network is `original`
// and every weight in `names` has codes half a step too large.
std::vector<float> shift_of(Graph graph, const Graph& original,
                            const std::vector<std::string>& names) {
  std::map<std::string, QuantTensor> weights;
  for (const std::string& name : names) {
    const Tensor& weight = original.initializers.at(name);
    weights[name] = quantize_tensor(
        weight, weight_params(weight, 0, 4, {-7, 7}, WeightScale::kMinMax, name), name);
    for (int32_t& code : weights[name].codes) code = std::min(7, code + 1);
  }
  const RandomImages data;
  auto shift = graph.initializers.at("b.bias").to_vector<float>();
  correct_biases(graph, Network(original), weights, data, all_samples(data), {.batch = 16}, {});
  const auto after = graph.initializers.at("b.bias").to_vector<float>();
  for (size_t c = 0; c < shift.size(); ++c) shift[c] -= after[c];
  return shift;
}

TEST(BiasCorrection, KeepsWhatBiasesHaveLearned) {
  const Graph original = prepare(small_model()).graph;
  Graph learned = original;
  learned.initializers["b.bias"] = Tensor::of<float>({8}, random_values(8, 9));
  const auto wanted = shift_of(original, original, {"b.weight"}),
             found = shift_of(learned, original, {"b.weight"});
  for (size_t c = 0; c < wanted.size(); ++c) {
    EXPECT_GT(std::abs(wanted[c]), 0.01f);
    EXPECT_NEAR(found[c], wanted[c], 1e-6);
  }
}

TEST(BiasCorrection, TakesTheMeanOverLayersThatShareABias) {
  Graph shared = prepare(small_model()).graph;
  for (Node& node : shared.nodes)
    if (node.name == "a") node.inputs[2] = "b.bias";
  auto alone = [&](const std::string& name) { return shift_of(shared, shared, {name}); };
  const auto both = shift_of(shared, shared, {"a.weight", "b.weight"});
  const auto a = alone("a.weight"), b = alone("b.weight");
  for (size_t c = 0; c < both.size(); ++c) EXPECT_NEAR(both[c], (a[c] + b[c]) / 2, 1e-5);
}

TEST(Auto, KeepsWhatItHasWhenALaterMethodFails) {
  const TemporaryFolder folder;
  const halftone::Run run{.checkpoint = (folder.path() / "kept").string()};
  const auto before = quantize(small_model(), RandomImages(), asking_for(200), run);
  EXPECT_GT(before.report.rungs.size(), 1u);
  const auto after = quantize(small_model(), RandomImages(), asking_for(200), run);
  EXPECT_EQ(after.report.rungs.size(), 1u) << "the next one's checkpoint is there already";
  EXPECT_EQ(after.report.method, "corrected");
}

TEST(Quantize, LearnsInFrontOfAnOutputThatIsNoRealNumber) {
  Model model = small_model();
  Graph& g = model.graph;
  g.nodes.push_back({.name = "best",
                     .op_type = "ArgMax",
                     .inputs = {"logits"},
                     .outputs = {"class"},
                     .attributes = {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}}});
  g.outputs = {{"class", {DType::kInt64, SymbolicShape{{-1, "batch"}}}, {}}};
  QuantizeOptions options = kThreeBits;
  options.method = "qdrop";
  const auto result = quantize(model, RandomImages(), options, {});
  const auto& units = result.report.units;
  EXPECT_GT(units.at(0).loss_before, 0);
  EXPECT_EQ(units.back().loss_before, 0) << "the whole network gives classes alone";
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
    EXPECT_NE(std::string(error.what()).find("'image 0' .. 'image 31'"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace halftone

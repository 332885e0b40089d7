#include "halftone/qat/train.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "halftone/export/prepare.h"
#include "halftone/onnx/writer.h"
#include "halftone/qat/metrics_file.h"
#include "halftone/qat/schedule.h"
#include "halftone/qat/train_plan.h"
#include "tests/killer.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

TrainOptions options_of(const std::string& quantizer, int bits) {
  TrainOptions options{.epochs = 3, .batch = 16, .reestimation_batches = 2};
  options.network.quantizer = quantizer;
  options.network.quantize.weights = options.network.quantize.activations = bits;
  return options;
}

TEST(Train, LearnsAtTwoBits) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 2);
  options.epochs = 60;
  options.learning_rate = 0.05;
  options.augmentation = Augmentation{};
  const TrainResult result = train(training_model(), data, options, {});
  EXPECT_GT(*result.epochs.back().train_top1, 80);
  EXPECT_LT(result.epochs.back().loss, result.epochs.front().loss);
  EXPECT_GT(*result.report.top1_after, 75);
}

TEST(Train, KilledAndResumedGivesTheSameBytesForEveryGuide) {
  const StripedImages data;
  for (const std::string guide : {"none", "distill", "features", "block-replacement"}) {
    SCOPED_TRACE(guide);
    TrainOptions options = options_of("lsq", 2);
    options.guide = guide;
    options.seconds_between_saves = 0;
    options.ema = guide == "distill" ? 0.9 : 0;
    if (guide == "none") options.lowering = {4};
    if (guide == "none") options.oscillation = {.dampening = 0.1, .freezing = 0.02};
    const TrainResult whole = train(training_model(), data, options, {.seed = 5});
    const TemporaryFolder folder;
    for (int reports : {3, 7, 10}) {
      Killer killer(reports);
      EXPECT_THROW(train(training_model(), data, options,
                         {.seed = 5,
                          .reporter = &killer,
                          .checkpoint = folder.path().string(),
                          .resume = true}),
                   std::runtime_error);
    }
    const TrainResult resumed =
        train(training_model(), data, options,
              {.seed = 5, .checkpoint = folder.path().string(), .resume = true});
    EXPECT_EQ(serialize_model(resumed.model), serialize_model(whole.model));
    ASSERT_EQ(resumed.epochs.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(resumed.epochs[i].train_top1, whole.epochs[i].train_top1);
      EXPECT_EQ(resumed.epochs[i].mixed_top1, whole.epochs[i].mixed_top1);
    }
  }
}

TEST(Train, KilledAndResumedGivesTheSameBytesForEveryQuantizer) {
  const StripedImages data;
  for (const auto& [name, kind] : Registry<QuantizerKind>::all()) {
    SCOPED_TRACE(name);
    TrainOptions options = options_of(name, 3);
    options.network.quantize.weights = std::min(3, kind.recipe.most_weight_bits);
    options.seconds_between_saves = 0;
    const std::string whole =
        serialize_model(train(training_model(), data, options, {.seed = 5}).model);
    const TemporaryFolder folder;
    const halftone::Run resuming{.seed = 5, .checkpoint = folder.path().string(), .resume = true};
    Killer killer(9);
    halftone::Run killed = resuming;
    killed.reporter = &killer;
    EXPECT_THROW(train(training_model(), data, options, killed), std::runtime_error);
    EXPECT_EQ(serialize_model(train(training_model(), data, options, resuming).model), whole);
    // Once more from the last checkpoint, when no step is left.
    EXPECT_EQ(serialize_model(train(training_model(), data, options, resuming).model), whole);
  }
}

TEST(Train, StoppedEarlyStillWritesTheBitsThatWereAskedFor) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 2);
  options.lowering = {6, 4};
  halftone::Run run;
  run.deadline = std::chrono::steady_clock::now();
  const TrainResult result = train(training_model(), data, options, run);
  EXPECT_EQ(result.sites.weights.at("a.weight").params.bits, 2);
}

TEST(Train, ChecksThatACheckpointIsOfTheSameTraining) {
  const StripedImages data;
  const TemporaryFolder folder;
  const halftone::Run run{.seed = 5, .checkpoint = folder.path().string(), .resume = true};
  train(training_model(), data, options_of("lsq", 2), run);
  TrainOptions other = options_of("lsq", 2);
  other.learning_rate = 0.5;
  EXPECT_NE(message_of([&] { train(training_model(), data, other, run); }).find("options"),
            std::string::npos);
}

TEST(Train, FatMovesThresholdsAloneAndNeverEndsWorse) {
  const StripedImages data(false);
  TrainOptions options = options_of("fat", 4);
  options.epochs = 4;
  const TrainResult result = train(training_model(), data, options, {});
  EXPECT_EQ(result.guide, "rmse");
  EXPECT_FALSE(result.report.top1_after);
  EXPECT_LE(result.epochs.back().loss, result.epochs.front().loss);
  // The written codes are roundings of the very weights that came.
  TrainingNetworkOptions start = options.network;
  start.folds_batch_norm = true;
  const TrainingNetwork untrained(training_model(), data, start, {});
  const at::Tensor weight = untrained.network().network().parameters().at("a.weight");
  const QuantTensor& codes = result.sites.weights.at("a.weight");
  const QuantTensor wanted = quantize_tensor(weight_values(weight), codes.params, "a.weight");
  EXPECT_EQ(codes.codes, wanted.codes);
}

TEST(Train, EveryQuantizerTrains) {
  const StripedImages data;
  for (const auto& [name, kind] : Registry<QuantizerKind>::all()) {
    SCOPED_TRACE(name);
    TrainOptions options = options_of(name, 3);
    options.network.quantize.weights = std::min(3, kind.recipe.most_weight_bits);
    options.epochs = 2;
    options.guide = kind.recipe.guide == "none" ? "block-replacement" : kind.recipe.guide;
    const TrainResult result = train(training_model(), data, options, {});
    EXPECT_TRUE(std::isfinite(result.epochs.back().loss));
    EXPECT_FALSE(result.model.graph.nodes.empty());
  }
}

TEST(Train, TrainsInFloat) {
  const StripedImages data;
  const TrainResult result = train(training_model(), data, options_of("lsq", 32), {});
  for (const Node& node : result.model.graph.nodes) EXPECT_NE(node.op_type, "QuantizeLinear");
}

TEST(Train, KeepsTheBestEpochByValidation) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 4);
  options.validation = &data;
  const TrainResult result = train(training_model(), data, options, {});
  double best = 0;
  for (const EpochReport& epoch : result.epochs) best = std::max(best, *epoch.validation_top1);
  EXPECT_EQ(*result.epochs[static_cast<size_t>(result.best_epoch) - 1].validation_top1, best);
}

TEST(Train, NamesStepAndPlaceWhereTheLossIsNoNumber) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 4);
  options.learning_rate = 1e30;
  options.clip_gradients = 0;
  const std::string message = message_of([&] { train(training_model(), data, options, {}); });
  EXPECT_NE(message.find("training step"), std::string::npos) << message;
  EXPECT_NE(message.find("first in '"), std::string::npos) << message;
}

TEST(Train, NamesAWeightWhoseGradientIsNoNumber) {
  // The root of 0: its slope is not finite, and times 0 no number.
  Model model = training_model();
  Graph& g = model.graph;
  g.initializers["zero"] = Tensor::scalar(0.0f);
  const auto add = [&](const std::string& op, std::vector<std::string> inputs,
                       const std::string& output) {
    g.nodes.push_back(
        {.name = output, .op_type = op, .inputs = std::move(inputs), .outputs = {output}});
  };
  add("Mul", {"logits", "zero"}, "nothing");
  add("Sqrt", {"nothing"}, "root");
  add("Add", {"logits", "root"}, "sum_of_both");
  g.outputs[0].name = "sum_of_both";
  const StripedImages data;
  const std::string message = message_of([&] { train(model, data, options_of("lsq", 4), {}); });
  EXPECT_NE(message.find("gradients are no longer numbers"), std::string::npos) << message;
  EXPECT_NE(message.find("weight'"), std::string::npos) << message;
}

TEST(Train, WritesMetricsAsItGoes) {
  const StripedImages data;
  const TemporaryFolder folder;
  TrainOptions options = options_of("lsq", 4);
  options.metrics = (folder.path() / "m.csv").string();
  train(training_model(), data, options, {});
  std::ifstream file(options.metrics);
  std::string line;
  size_t epochs = 0;
  while (std::getline(file, line)) epochs += line.starts_with("epoch,");
  EXPECT_EQ(epochs, 3u);
}

TEST(Train, StatisticsAreTakenAnewFromImagesAsTheyWereLearnedFrom) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 8);
  options.learning_rate = 1e-30;  // nothing moves
  options.frozen_batch_norm = 1;
  auto trained = [&](const char* augmentation, int batches) {
    options.augmentation = parse_augmentation(augmentation);
    options.reestimation_batches = batches;
    return serialize_model(train(training_model(), data, options, {}).model);
  };
  EXPECT_EQ(trained("crop", 0), trained("none", 0));
  EXPECT_NE(trained("crop", 6), trained("none", 6));
}

// Images of one class after the other, as folders have them, or of all classes in turns; every class
// has a brightness of its own.
class BrightClasses : public Dataset {
 public:
  explicit BrightClasses(bool is_sorted)
      : Dataset({training_model().graph.inputs}, labels(is_sorted), 4, "bright classes"),
        is_sorted_(is_sorted) {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "96 images"; }

 private:
  static size_t class_of(size_t i, bool is_sorted) { return is_sorted ? i / 24 : i % 4; }
  static std::vector<int64_t> labels(bool is_sorted) {
    std::vector<int64_t> result;
    for (size_t i = 0; i < 96; ++i) result.push_back(static_cast<int64_t>(class_of(i, is_sorted)));
    return result;
  }
  std::vector<Tensor> read(size_t i) const override {
    std::vector<float> values = random_values(192, i);
    for (float& x : values) x += 10 * static_cast<float>(class_of(i, is_sorted_));
    return {Tensor::of<float>({3, 8, 8}, values)};
  }
  bool is_sorted_;
};

TEST(Train, StatisticsAreTakenAnewFromBatchesOfAllClasses) {
  TrainOptions options = options_of("lsq", 8);
  options.learning_rate = 1e-30;  // nothing moves
  options.frozen_batch_norm = 1;
  options.augmentation = Augmentation{};
  options.reestimation_batches = 6;
  auto scales = [&](bool is_sorted) {  // they fall with the deviation that folding divides by
    const auto result = train(training_model(), BrightClasses(is_sorted), options, {});
    return result.sites.weights.at("stem.weight").params.scales;
  };
  const auto sorted = scales(true), in_turns = scales(false);
  for (size_t c = 0; c < sorted.size(); ++c)
    EXPECT_NEAR(sorted[c] / in_turns[c], 1, 0.25) << "a batch of one class would give 3 and more";
}

TEST(Train, RefusesWhatQuantizersHaveNoFormOf) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 4);
  options.network.quantize.plan = QuantPlan();
  QuantSpec& spec = options.network.quantize.plan->sites["a.weight"];
  spec.channel_bits = {1, 2, 3, 4, 4, 4, 4, 4};
  EXPECT_NE(message_of([&] { train(training_model(), data, options, {}); }).find("a.weight"),
            std::string::npos);
  spec.channel_bits[0] = 2;
  EXPECT_FALSE(train(training_model(), data, options, {})
                   .sites.weights.at("a.weight")
                   .params.channels.empty());
  options = options_of("dorefa", 4);
  options.oscillation.freezing = 0.01;
  EXPECT_THROW(train(training_model(), data, options, {}), UsageError);
}

TEST(Train, BinaryAndTernaryAskForTheirWidth) {
  const StripedImages data;
  for (const auto& [name, bits] : {std::pair{"binary", 1}, {"ternary", 2}})
    EXPECT_NE(message_of([&] {
                train(training_model(), data, options_of(name, 8), {});
              }).find(text("--weights ", bits)),
              std::string::npos);
}

// Labelled, channels innermost.
class InterleavedImages : public Dataset {
 public:
  InterleavedImages()
      : Dataset({{float_value("image", {{-1, "batch"}, Dim::of(8), Dim::of(8), Dim::of(3)})}},
                std::vector<int64_t>(8, 1), 4, "interleaved images") {}
  std::string name(size_t i) const override { return "image " + std::to_string(i); }
  std::string describe() const override { return "8 interleaved images"; }

 private:
  std::vector<Tensor> read(size_t i) const override {
    return {Tensor::of<float>({8, 8, 3}, random_values(192, i))};
  }
};

TEST(Train, CropsAndFlipsImagesOfPlanesAlone) {
  TrainOptions options = options_of("lsq", 4);
  options.augmentation = std::nullopt;
  const Graph graph = training_model().graph;
  EXPECT_FALSE(planned(options, StripedImages(), graph).options.augmentation->is_none());
  EXPECT_TRUE(planned(options, InterleavedImages(), graph).options.augmentation->is_none());
  const StripedImages unlabelled(false);
  EXPECT_FALSE(planned(options, unlabelled, graph).options.augmentation->is_none());
  options.network.quantizer = "fat";  // a few factors do not overfit
  EXPECT_TRUE(planned(options, unlabelled, graph).options.augmentation->is_none());
  options = options_of("lsq", 4);
  options.augmentation = Augmentation{.crops = true};
  EXPECT_THROW(planned(options, InterleavedImages(), graph), UsageError);
}

TEST(Train, EveryStageOfBitsHasTheWholeSchedule) {
  const StripedImages data;
  TrainOptions options = options_of("lsq", 2);
  options.epochs = 3;
  options.lowering = {4, 3};  // an epoch each
  const auto epochs = train(training_model(), data, options, {}).epochs;
  for (const EpochReport& epoch : epochs)
    EXPECT_NEAR(epoch.learning_rate, epochs.back().learning_rate, 1e-12) << epoch.epoch;
}

TEST(Train, TheRateIsLowerWhereNoNormalizationIsTrained) {
  const StripedImages data;
  const Graph with_norms = training_model().graph;
  auto rate = [&](const Graph& graph, const std::string& batch_norm, const std::string& optimizer) {
    TrainOptions options = options_of("lsq", 4);
    options.batch_norm = batch_norm;
    options.optimizer = optimizer;
    return *planned(options, data, graph).options.learning_rate;
  };
  EXPECT_EQ(rate(with_norms, "", ""), 0.01);
  EXPECT_EQ(rate(with_norms, "fold", ""), 0.003);
  EXPECT_EQ(rate(prepare(training_model()).graph, "", ""), 0.003) << "folded when it was exported";
  EXPECT_EQ(rate(with_norms, "", "adam"), 1e-3);
}

TEST(Train, RefusesWhatCannotBeLearned) {
  const StripedImages unlabelled(false);
  TrainOptions options = options_of("lsq", 4);
  options.guide = "none";
  EXPECT_NE(message_of([&] { train(training_model(), unlabelled, options, {}); }).find("labels"),
            std::string::npos);
  options = options_of("lsq", 4);
  options.lowering = {3, 4};
  EXPECT_THROW(train(training_model(), unlabelled, options, {}), UsageError);
  options = options_of("nothing", 4);
  EXPECT_NE(message_of([&] { train(training_model(), unlabelled, options, {}); }).find("pact"),
            std::string::npos);
}

TEST(Schedule, BeginsAndEndsWhereItShould) {
  const auto at = [](const char* name, uint64_t step, uint64_t total) {
    return Registry<Schedule>::get(name).factor({step, total});
  };
  EXPECT_DOUBLE_EQ(at("cosine", 0, 100), 1);
  EXPECT_NEAR(at("cosine", 100, 100), 0, 1e-12);
  EXPECT_DOUBLE_EQ(at("step", 60, 100), 0.1);
  EXPECT_NEAR(at("one-cycle", 30, 100), 1, 1e-12);
  EXPECT_LT(at("one-cycle", 0, 100), 0.05);
  EXPECT_NEAR(at("saw-tooth", 399, 800), std::exp(-0.0399) * std::cos(M_PI * 399 / 1600), 1e-9);
  EXPECT_NEAR(at("saw-tooth", 400, 800), std::exp(-0.04), 1e-9);
  EXPECT_NEAR(rate_factor(Registry<Schedule>::get("constant"), {0, 100}, 0.1), 1.0 / 11, 1e-9);
}

TEST(Schedule, CyclesBeginEveryFourHundredStepsBehindTheWarmUp) {
  const auto& saw_tooth = Registry<Schedule>::get("saw-tooth");
  std::vector<uint64_t> begins;
  for (uint64_t step = 0; step < 2000; ++step)
    if (begins_cycle(saw_tooth, {step, 2000}, 0.1)) begins.push_back(step);
  EXPECT_EQ(begins, (std::vector<uint64_t>{600, 1000, 1400, 1800})) << "200 steps of warm-up";
  for (uint64_t step = 0; step < 300; ++step) {
    EXPECT_FALSE(begins_cycle(saw_tooth, {step, 300}, 0)) << "shorter than a cycle";
    EXPECT_FALSE(begins_cycle(Registry<Schedule>::get("cosine"), {step, 300}, 0));
  }
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(MetricsFile, GoesOnBehindWhatTheCheckpointKept) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "m.csv").string();
  std::string kept;
  {
    MetricsFile metrics(path);
    metrics.add({.epoch = 1, .step = 10});
    kept = metrics.content();
    metrics.add({.epoch = 1, .step = 20});  // behind the checkpoint: a resume does it again
  }
  MetricsFile again(path);
  again.restore(kept);
  EXPECT_EQ(content_of(path), kept);
  again.add({.epoch = 1, .step = 20, .loss = 0.5});
  const std::string whole = content_of(path);
  EXPECT_EQ(whole, again.content());
  EXPECT_EQ(std::ranges::count(whole, '\n'), 3) << "a heading and two steps:\n" << whole;
  EXPECT_TRUE(whole.starts_with(kept));
}

TEST(MetricsFile, DoesNotMixItsTwoForms) {
  const TemporaryFolder folder;
  MetricsFile lines((folder.path() / "m.jsonl").string());
  lines.add({.epoch = 1});
  MetricsFile columns((folder.path() / "m.csv").string());
  const std::string message = message_of([&] { columns.restore(lines.content()); });
  EXPECT_NE(message.find("JSON lines"), std::string::npos) << message;
  EXPECT_NE(message.find("without .csv"), std::string::npos) << message;
}

TEST(Augmentation, FollowsFromSeedEpochAndSampleAlone) {
  const auto values = random_values(2 * 3 * 8 * 8, 9);
  const at::Tensor images = at::tensor(at::ArrayRef<float>(values)).view({2, 3, 8, 8});
  const Augmentation how{.crops = true, .flips = true};
  const at::Tensor both = augmented(images, {7, 9}, 1, how, {.seed = 3});
  const at::Tensor one = augmented(images.narrow(0, 1, 1), {9}, 1, how, {.seed = 3});
  EXPECT_TRUE(at::equal(both[1], one[0]));
  EXPECT_FALSE(at::equal(both, augmented(images, {7, 9}, 2, how, {.seed = 3})));
  const at::Tensor resized =
      augmented(images, {7, 9}, 1, parse_augmentation("resized-crop"), {.seed = 3});
  EXPECT_EQ(resized.sizes(), images.sizes());
  EXPECT_TRUE(at::equal(augmented(images, {7, 9}, 1, parse_augmentation("none"), {}), images));
  EXPECT_NE(message_of([] { parse_augmentation("turn"); }).find("turn"), std::string::npos);
}

TEST(Augmentation, MixupKeepsTheShareItTells) {
  const at::Tensor images = at::rand({8, 3, 4, 4});
  const Mixed mixed = mixed_up(images, 4, 0.2, {.seed = 1});
  EXPECT_TRUE(at::allclose(
      mixed.images,
      images * mixed.share + images.index_select(0, mixed.others) * (1 - mixed.share)));
  EXPECT_GE(mixed.share, 0);
  EXPECT_LE(mixed.share, 1);
}

}  // namespace
}  // namespace halftone

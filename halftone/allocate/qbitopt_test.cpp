#include "halftone/allocate/qbitopt.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "halftone/allocate/written_budget.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/onnx/writer.h"
#include "halftone/qat/train.h"
#include "tests/killer.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

struct Budgeted {
  StripedImages data;
  AllocationSites sites;
  Budget budget{.average_weight_bits = 3, .average_activation_bits = 3};
  TrainOptions options{.epochs = 5, .batch = 16, .reestimation_batches = 2};

  Budgeted() {
    sites = allocation_task(training_model(), "onnxruntime",
                            {.activation_widths = {2, 3, 4, 5, 6, 7, 8}})
                .sites;
    budget.outside_average = outside_average(sites);
    options.seconds_between_saves = 0;
  }
};

TEST(QBitOpt, TheBudgetHoldsInTheFileAndAtEveryDecision) {
  Budgeted s;
  const TemporaryFolder folder;
  const halftone::Run run;
  const std::string history = (folder.path() / "history.jsonl").string();
  s.options.hooks = {qbitopt_hook(s.sites, s.budget, {.interval = 3, .history = history}, run)};
  const TrainResult result = train(training_model(), s.data, s.options, run);
  require_within_budget(result.model, s.budget, "the test");
  std::ifstream file(history);
  size_t decisions = 0;
  for (std::string line; std::getline(file, line); ++decisions) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_LE(json.at("average_weight_bits").get<double>(), 3);
    EXPECT_LE(json.at("average_activation_bits").get<double>(), 3);
  }
  EXPECT_GT(decisions, 2u);
  // Fixed sites never move.
  EXPECT_EQ(result.sites.weights.at("stem.weight").params.bits, 8);
}

TEST(QBitOpt, SkipsStayAtEightBitsBesideWhatIsDecided) {
  Budgeted s;
  s.options.network.quantize.activations = 3;  // less than 8: residual Adds get skips
  const halftone::Run run;
  s.options.hooks = {qbitopt_hook(s.sites, s.budget, {.interval = 3}, run)};
  const TrainResult result = train(training_model(), s.data, s.options, run);
  require_within_budget(result.model, s.budget, "the test");
  EXPECT_EQ(result.sites.activations.at("s_skip").bits, 8);
  EXPECT_LT(result.sites.activations.at("s").bits, 8);
}

TEST(QBitOpt, UsesTheBudgetWhereOnlyWeightsAreDecided) {
  Budgeted s;
  s.sites = allocation_task(training_model(), "onnxruntime", {}).sites;
  s.budget = {.average_weight_bits = 4, .outside_average = outside_average(s.sites)};
  const halftone::Run run;
  s.options.hooks = {qbitopt_hook(s.sites, s.budget, {.interval = 3}, run)};
  const TrainResult result = train(training_model(), s.data, s.options, run);
  int most = 0;
  for (const auto& [site, weight] : result.sites.weights)
    if (!s.budget.outside_average.contains(site)) most = std::max(most, weight.params.bits);
  EXPECT_GE(most, 4) << "the least widths would leave half of the budget unused";
}

TEST(QBitOpt, SquaredGradientsDoNotDependOnTheBatch) {
  Budgeted s;
  const halftone::Run run;
  TrainingNetworkOptions options;
  TrainingNetwork training(training_model(), s.data, options, run);
  QBitOptHook hook(training, s.sites, s.budget, {}, run);
  for (const auto& [name, value] : training.network().network().parameters())
    if (!training.network().network().running_statistics().contains(name)) value.requires_grad_();
  // Every image twice is a batch of twice the size with the same mean loss.
  auto activation_square = [&](int copies) {
    const Batch batch = load_batch(s.data, all_samples(s.data), {.batch = s.data.size()});
    TensorMap inputs = network_inputs(training.network().network(), batch);
    at::Tensor& images = inputs.at("image");
    images = images.repeat({copies, 1, 1, 1});
    QuantizedRun how{.training = true};
    how.watch = [&](SiteKind kind, const std::string& site, const at::Tensor& value,
                    const at::Tensor& quantized) { hook.watch(kind, site, value, quantized); };
    const at::Tensor logits = training.network().run(inputs, how).at("logits");
    logits.square().sum(1).mean().backward();
    return hook.squared_gradients().at("s");
  };
  const double once = activation_square(1), twice = activation_square(2);
  EXPECT_NEAR(twice / once, 1, 1e-3);
}

TEST(QBitOpt, KilledAndResumedGivesTheSameBytes) {
  Budgeted s;
  const TemporaryFolder folder, other;
  const std::string history = (other.path() / "history.jsonl").string();
  const auto read = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  auto trained = [&](const halftone::Run& run) {
    TrainOptions options = s.options;
    options.hooks = {qbitopt_hook(s.sites, s.budget, {.interval = 3, .history = history}, run)};
    return serialize_model(train(training_model(), s.data, options, run).model);
  };
  const std::string whole = trained({.seed = 2});
  const std::string decisions = read(history);
  EXPECT_GT(std::ranges::count(decisions, '\n'), 3);
  size_t least = decisions.size();
  for (int reports : {6, 8, 8}) {
    Killer killer(reports);
    EXPECT_THROW(
        trained(
            {.seed = 2, .reporter = &killer, .checkpoint = folder.path().string(), .resume = true}),
        std::runtime_error);
    least = std::min(least, read(history).size());
  }
  EXPECT_LT(least, decisions.size()) << "every kill came after the last decision";
  EXPECT_EQ(trained({.seed = 2, .checkpoint = folder.path().string(), .resume = true}), whole);
  EXPECT_EQ(read(history), decisions);
}

// Weights of earlier bits are no result: the best epoch is one after the last decision.
TEST(QBitOpt, TheBestEpochHasTheLastBits) {
  Budgeted s;
  s.budget.average_weight_bits = 3.5;  // more than uniform bits take: the first decision uses it
  const halftone::Run run;
  const TemporaryFolder folder;
  const std::string history = (folder.path() / "history.jsonl").string();
  s.options.hooks = {
      qbitopt_hook(s.sites, s.budget, {.interval = 3, .warm_up = 0.5, .history = history}, run)};
  s.options.validation = &s.data;
  s.options.ema = 0.9;
  const TrainResult result = train(training_model(), s.data, s.options, run);
  require_within_budget(result.model, s.budget, "the test");
  std::ifstream file(history);
  nlohmann::json before;
  int last_change = 0;  // in steps; 6 are an epoch
  for (std::string line; std::getline(file, line);) {
    const auto now = nlohmann::json::parse(line);
    if (!before.is_null() && now.at("bits") != before.at("bits")) last_change = now.at("step");
    before = now;
  }
  EXPECT_GT(last_change, 6) << "nothing is shown where the first epoch's bits stay";
  EXPECT_GT(result.best_epoch, (last_change - 1) / 6);
}

TEST(QBitOpt, RangesCarriedForthAndBackReturn) {
  Budgeted s;
  TrainingNetwork training(training_model(), s.data, {}, {});
  auto params = [&] { return training.network().quantizers().activations.at("s")->params(); };
  const QuantParams before = params();
  training.set_bits("s", 3);
  EXPECT_EQ(params().bits, 3);
  training.set_bits("s", before.bits);
  EXPECT_NEAR(params().scales[0] / before.scales[0], 1, 1e-6);
  EXPECT_EQ(params().zero_points, before.zero_points);
}

// Averages and moments of the old width must go, whatever a quantizer keeps beside its parameters.
TEST(QBitOpt, AllStateOfAQuantizerBeginsAnewWithItsBits) {
  Budgeted s;
  for (const char* quantizer : {"lsq", "lsq+", "minmax", "fat"}) {
    TrainingNetwork training(training_model(), s.data, {.quantizer = quantizer}, {});
    const auto anew = training.set_bits("s", 3);
    const auto state = training.network().quantizers().activations.at("s")->state();
    EXPECT_FALSE(state.empty()) << quantizer;
    for (const auto& [name, tensor] : state)
      EXPECT_TRUE(std::ranges::any_of(anew, [&](const at::Tensor& t) { return t.is_same(tensor); }))
          << quantizer << ", " << name;
  }
}

TEST(QBitOpt, RefusesWhatCannotFit) {
  Budgeted s;
  s.budget.average_weight_bits = 1.5;
  const halftone::Run run;
  s.options.hooks = {qbitopt_hook(s.sites, s.budget, {}, run)};
  const std::string message = message_of([&] { train(training_model(), s.data, s.options, run); });
  EXPECT_NE(message.find("smallest feasible"), std::string::npos) << message;
}

}  // namespace
}  // namespace halftone

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "halftone/export/prepare.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/tensors.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/quantized_region.h"
#include "halftone/ptq/site_bits.h"
#include "halftone/ptq/site_params.h"
#include "halftone/ptq/units.h"
#include "halftone/ptq/value_cache.h"
#include "tests/message_of.h"
#include "tests/small_network.h"
#include "tests/temporary_folder.h"

namespace halftone {
namespace {

const Profile& profile() { return Registry<Profile>::get("onnxruntime"); }

// The small network at 3/3 bits, nearest rounding.
struct Start {
  Model model = prepare(small_model());
  Placement placement = place(model.graph, profile(), {});
  RandomImages data;
  LoadOptions load{.batch = 8};
  QuantizedSites sites;

  Start() {
    const auto specs =
        site_specs(model.graph, placement, profile(),
                   {.weights = 3, .activations = 3, .fixes = {"a.weight=3", "b.weight=3"}});
    const Calibration calibration =
        calibrate(Network(model.graph), placement, "mse", data, load, {});
    sites.activations = activation_params(placement, calibration, specs, profile(), 1);
    sites.weights = quantize_weights(model.graph, placement, sites.activations, specs, profile(),
                                     Registry<PtqMethod>::get("mse"), false);
  }

  std::vector<UnitReport> learn(const Reconstruction& how, const ReconstructionOptions& options,
                                const halftone::Run& run = {}) {
    return reconstruct(model.graph, placement, sites, how, options, data, all_samples(data), load,
                       Checkpoint(run, {}), "walk", run);
  }

  // Squared error behind the last block of the quantized network, as it would be written.
  double output_error() const {
    const Batch batch = load_batch(data, all_samples(data), {.batch = data.size()});
    const Network original(model.graph),
        quantized(write_qdq(model, placement, sites, profile()).graph);
    const TensorMap inputs = network_inputs(original, batch);
    auto last = [&](const Network& network) {
      return network.run(inputs, {.capture = {"r"}}).at("r");
    };
    return (last(original) - last(quantized)).square().sum().item<double>();
  }

  std::string state() const {
    std::string result;
    for (const auto& [name, weight] : sites.weights)
      for (int32_t code : weight.codes) result += text(code, " ");
    for (const auto& [name, params] : sites.activations)
      result += text(name, " ", at::tensor(params.scales[0]).view(at::kInt).item<int32_t>(), "\n");
    return result;
  }
};

constexpr Reconstruction kQdrop{.learns_steps = true, .keep = 0.5f};

TEST(Reconstruct, LowersTheErrorBehindTheLastBlock) {
  for (const auto unit : {Reconstruction::Unit::kLayer, Reconstruction::Unit::kBlock}) {
    Start start;
    const double before = start.output_error();
    const auto reports = start.learn({.unit = unit, .learns_steps = true}, {.iterations = 150});
    EXPECT_LT(start.output_error(), before);
    for (const UnitReport& report : reports)
      EXPECT_LE(report.loss_after, report.loss_before) << report.name;
  }
}

// QDrop's masks with (next to) nothing dropped against no masks at all.
TEST(Reconstruct, KeepOfOneIsJointBlockReconstruction) {
  Start masked, plain;
  masked.learn({.learns_steps = true, .keep = 1 - 0x1p-24f}, {.iterations = 20});
  plain.learn({.learns_steps = true}, {.iterations = 20});
  EXPECT_EQ(masked.state(), plain.state());
  Start half;
  half.learn(kQdrop, {.iterations = 20});
  EXPECT_NE(half.state(), plain.state());
}

TEST(Reconstruct, DoesNotDependOnThreadsOrOnWhereCachesLie) {
  Start one, three, spilled;
  one.learn(kQdrop, {.iterations = 20}, {.threads = 1});
  three.learn(kQdrop, {.iterations = 20}, {.threads = 3});
  spilled.learn(kQdrop, {.iterations = 20}, {.memory_bytes = 4});
  EXPECT_EQ(one.state(), three.state());
  EXPECT_EQ(one.state(), spilled.state());
}

TEST(Reconstruct, GoesOnAfterAnyUnitWithTheSameResult) {
  const auto folder = std::filesystem::temp_directory_path() / "halftone-reconstruct-test";
  std::filesystem::remove_all(folder);
  Start whole;
  whole.learn(kQdrop, {.iterations = 20}, {.checkpoint = folder.string()});
  for (const char* lost : {"walk-2", "walk-1", "walk-0"}) {
    std::filesystem::remove(folder / lost);
    Start resumed;
    const auto reports =
        resumed.learn(kQdrop, {.iterations = 20}, {.checkpoint = folder.string(), .resume = true});
    EXPECT_EQ(resumed.state(), whole.state()) << "without " << lost;
    EXPECT_EQ(reports.size(), 3u);
  }
  std::filesystem::remove_all(folder);
}

TEST(Reconstruct, FrozenSitesStay) {
  Start start;
  const auto codes = start.sites.weights.at("a.weight").codes;
  const float scale = start.sites.activations.at("ar").scales[0];
  start.learn({.learns_steps = true}, {.iterations = 50, .frozen = {"a.weight", "ar"}});
  EXPECT_EQ(start.sites.weights.at("a.weight").codes, codes);
  EXPECT_EQ(start.sites.activations.at("ar").scales[0], scale);
}

TEST(Reconstruct, StopsBetweenUnitsWhenTheTimeIsUp) {
  Start start;
  const std::string before = start.state();
  const halftone::Run late{.deadline = std::chrono::steady_clock::now()};
  EXPECT_TRUE(start.learn(kQdrop, {.iterations = 20}, late).empty());
  EXPECT_EQ(start.state(), before);
}

TEST(Reconstruct, LeavesOutTheUnitInWhichTheTimeIsUp) {
  Start start;
  const std::string before = start.state();
  const auto now = std::chrono::steady_clock::now();
  const halftone::Run late{.deadline = now + std::chrono::milliseconds(200)};
  EXPECT_TRUE(start.learn(kQdrop, {.iterations = 100'000'000}, late).empty());
  EXPECT_EQ(start.state(), before);
}

TEST(Reconstruct, TunesScalesAndBiasesOfTheWholeNetwork) {
  const TemporaryFolder folder;
  const halftone::Run run{.checkpoint = folder.path().string(), .resume = true};
  const Reconstruction tuning{.unit = Reconstruction::Unit::kNetwork,
                              .learns_rounding = false,
                              .learns_steps = true,
                              .learns_biases = true};
  Start start;
  const auto codes = start.sites.weights.at("a.weight").codes;
  const auto reports = start.learn(tuning, {.iterations = 100}, run);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_LT(reports[0].loss_after, reports[0].loss_before);
  EXPECT_EQ(start.sites.weights.at("a.weight").codes, codes);
  EXPECT_EQ(start.sites.moved_biases.size(), 4u);
  Start resumed;
  resumed.learn(tuning, {.iterations = 100}, run);
  EXPECT_EQ(resumed.state(), start.state());
  EXPECT_EQ(resumed.sites.moved_biases, start.sites.moved_biases);
}

TEST(Reconstruct, FisherWeightsChangeWhatIsLearned) {
  Start plain, weighted;
  plain.learn(kQdrop, {.iterations = 30});
  weighted.learn(kQdrop, {.iterations = 30, .uses_fisher = true});
  EXPECT_NE(plain.state(), weighted.state());
}

// The regions one after another against the network of the written file.
TEST(Reconstruct, AdaRoundEndsAtWholeCodesAndBelowNearestRounding) {
  Start start;
  for (const UnitReport& unit :
       start.learn({.unit = Reconstruction::Unit::kLayer},
                   {.iterations = 400, .rounding_weight = 5, .rounding_learning_rate = 0.1})) {
    EXPECT_EQ(unit.converged_share, 1) << unit.name;
    EXPECT_TRUE(!unit.is_improved || unit.loss_after < unit.loss_before) << unit.name;
  }
}

TEST(Reconstruct, AWeightThatTwoUnitsReadIsLearnedInTheFirst) {
  Start own, shared;
  for (Node& node : shared.model.graph.nodes)
    if (node.name == "b") node.inputs[1] = "a.weight";
  shared.placement = place(shared.model.graph, profile(), {});
  const auto nearest = own.sites.weights.at("a.weight").codes;
  for (Start* start : {&own, &shared})
    start->learn({.unit = Reconstruction::Unit::kLayer}, {.iterations = 40});
  EXPECT_NE(own.sites.weights.at("a.weight").codes, nearest);
  EXPECT_EQ(shared.sites.weights.at("a.weight").codes, own.sites.weights.at("a.weight").codes);
}

TEST(QuantizedRegion, ChainEqualsTheWrittenNetwork) {
  Start start;
  const Model written = write_qdq(start.model, start.placement, start.sites, profile());
  const std::vector<size_t> first{0, 1, 2, 3, 4, 5, 6, 7};
  const TensorMap inputs =
      network_inputs(Network(start.model.graph), load_batch(start.data, first, start.load));
  TensorMap values;
  values["image"] = fake_quantize(inputs.at("image"), start.sites.activations.at("image"));
  for (const Region& unit : units_of(start.model.graph, Reconstruction::Unit::kBlock)) {
    const QuantizedRegion region(start.model.graph, unit, start.placement, start.sites);
    values.merge(region.run(values, hard_quantizers(region, start.sites)));
  }
  const at::Tensor expected = Network(written.graph).run(inputs).at("logits");
  EXPECT_LT((values.at("logits") - expected).abs().max().item<double>(),
            1e-4 * expected.abs().max().item<double>());
}

TEST(Units, HoldEveryNodeOnceInOrder) {
  const Model model = prepare(small_model());
  for (const auto unit : {Reconstruction::Unit::kLayer, Reconstruction::Unit::kBlock}) {
    std::vector<int> nodes;
    for (const Region& region : units_of(model.graph, unit))
      nodes.insert(nodes.end(), region.nodes.begin(), region.nodes.end());
    std::ranges::sort(nodes);
    ASSERT_EQ(nodes.size(), model.graph.nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) EXPECT_EQ(nodes[i], static_cast<int>(i));
  }
}

TEST(ValueCache, ReadsBackWhatWasWrittenInMemoryAndSpilled) {
  for (const uint64_t limit : {uint64_t{0}, uint64_t{1} << 20}) {
    CacheBudget budget{.limit_bytes = limit};
    ValueCache cache("x", 10, 6, budget);
    const at::Tensor values = at::randn({10, 3, 2});
    cache.write(0, 6, values.narrow(0, 0, 6));
    cache.write(6, 4, at::cat({values.narrow(0, 6, 4), at::zeros({2, 3, 2})}, 0));
    EXPECT_EQ(cache.is_spilled(), limit == 0);
    const std::vector<size_t> rows{7, 0, 7};
    EXPECT_TRUE(at::equal(cache.read(rows), at::stack({values[7], values[0], values[7]})));
  }
}

TEST(ValueCache, RefusesAValueThatIsNotPerSample) {
  CacheBudget budget;
  ValueCache cache("mean", 10, 8, budget);
  for (const int64_t rows : {1, 9, 16})
    EXPECT_THAT(message_of([&] {
                  cache.write(0, 8, at::zeros({rows, 3}));
                }),
                ::testing::HasSubstr("'mean'"));
}

}  // namespace
}  // namespace halftone

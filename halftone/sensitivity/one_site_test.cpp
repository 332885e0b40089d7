#include "halftone/sensitivity/one_site.h"

#include <gtest/gtest.h>

#include "halftone/export/prepare.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/method.h"
#include "halftone/ptq/site_bits.h"
#include "halftone/ptq/site_params.h"
#include "halftone/quant/energies.h"
#include "tests/small_network.h"

namespace halftone {
namespace {

class OneSite : public ::testing::Test {
 protected:
  OneSite() {
    const auto specs = site_specs(model_.graph, placement_, profile_,
                                  {.weights = 4, .activations = 4, .fixes = {"*=4"}});
    const Calibration calibration =
        calibrate(Network(model_.graph), placement_, "minmax", data_, load_, {});
    sites_.activations = activation_params(placement_, calibration, specs, profile_, 1);
    sites_.weights = quantize_weights(model_.graph, placement_, sites_.activations, specs, profile_,
                                      Registry<PtqMethod>::get("minmax"), false);
  }

  SiteEffects effects(const halftone::Run& run = {}) const {
    return one_site_effects({model_.graph, placement_, sites_, model_.graph}, data_,
                            all_samples(data_), load_, run);
  }

  // The loss with only some weights quantized, by whole evaluations.
  double loss_with(const std::set<std::string>& weights) const {
    Graph graph = model_.graph;
    for (const std::string& name : weights)
      graph.initializers[name] = dequantize_tensor(sites_.weights.at(name));
    const Network exact(model_.graph), changed(graph);
    Energies energies;
    for (const auto& list : split_batches(all_samples(data_), load_.batch)) {
      const Batch batch = load_batch(data_, list, load_);
      const TensorMap inputs = network_inputs(exact, batch);
      const at::Tensor x = exact.run(inputs).at("logits"), y = changed.run(inputs).at("logits");
      const auto count = static_cast<size_t>(x.numel()) / load_.batch * batch.count;
      energies.add({x.const_data_ptr<float>(), count}, {y.const_data_ptr<float>(), count});
    }
    return energies.noise / energies.signal;
  }

  const Profile& profile_ = Registry<Profile>::get("onnxruntime");
  Model model_ = prepare(small_model());
  Placement placement_ = place(model_.graph, profile_, {});
  RandomImages data_;
  LoadOptions load_{.batch = 8};
  QuantizedSites sites_;
};

TEST_F(OneSite, AloneEqualsAWholeEvaluationWithThatWeight) {
  for (const SiteEffect& effect : effects().sites)
    if (effect.kind == SiteKind::kWeight) {
      const double whole = loss_with({effect.site});
      EXPECT_NEAR(effect.loss_alone, whole, 1e-4 * whole) << effect.site;
    }
}

TEST_F(OneSite, ListsEveryScaleOnceWorstFirst) {
  const SiteEffects found = effects();
  std::set<std::string> names;
  for (size_t i = 0; i < found.sites.size(); ++i) {
    EXPECT_TRUE(names.insert(found.sites[i].site).second) << found.sites[i].site;
    if (i > 0) {
      EXPECT_GE(found.sites[i - 1].loss_alone, found.sites[i].loss_alone);
    }
  }
  EXPECT_TRUE(names.contains("b.weight"));
  EXPECT_TRUE(names.contains("image"));
  EXPECT_GT(found.loss, 0);
}

TEST_F(OneSite, FindsAPlantedCoarseSite) {
  for (float& scale : sites_.weights.at("b.weight").params.scales) scale *= 4;
  sites_.weights.at("b.weight") = quantize_tensor(model_.graph.initializers.at("b.weight"),
                                                  sites_.weights.at("b.weight").params, "b");
  const SiteEffects found = effects();
  EXPECT_EQ(found.sites[0].site, "b.weight");
  EXPECT_GT(found.sites[0].gain_if_float, 0.3 * found.loss);
}

TEST_F(OneSite, DoesNotDependOnThreads) {
  const SiteEffects one = effects({.threads = 1}), three = effects({.threads = 3});
  for (size_t i = 0; i < one.sites.size(); ++i)
    EXPECT_EQ(one.sites[i].loss_alone, three.sites[i].loss_alone);
}

}  // namespace
}  // namespace halftone

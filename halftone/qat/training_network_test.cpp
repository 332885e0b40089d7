#include "halftone/qat/training_network.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "halftone/graph/passes/passes.h"
#include "halftone/graph/passes/sum_codes.h"
#include "halftone/nn/network_inputs.h"
#include "halftone/nn/tensors.h"
#include "halftone/qat/batch_norm.h"
#include "tests/message_of.h"
#include "tests/training_model.h"

namespace halftone {
namespace {

TensorMap all_images(const Network& network, const Dataset& data) {
  return network_inputs(network, load_batch(data, all_samples(data), {.batch = data.size()}));
}

TrainingNetworkOptions options_of(int weights, int activations, const std::string& quantizer) {
  TrainingNetworkOptions options{.quantizer = quantizer};
  options.quantize.weights = weights;
  options.quantize.activations = activations;
  return options;
}

at::Tensor written_outputs(const Model& model, const TensorMap& inputs) {
  Graph graph = model.graph;
  dequantize_constants(graph);
  return Network(graph).run(inputs).at("logits");
}

// Of the logits of the trained network and of its file, on average, as a part of their reach.
double written_difference(const TrainingNetwork& training, const Dataset& data) {
  const TensorMap inputs = all_images(training.network().network(), data);
  const at::NoGradGuard no_gradient;
  const at::Tensor ours = training.network().run(inputs).at("logits");
  const at::Tensor written = written_outputs(training.exported(training.trained()), inputs);
  return (ours - written).abs().mean().item<double>() / (ours.max() - ours.min()).item<double>();
}

TEST(TrainingNetwork, WrittenFileGivesWhatTheTrainedNetworkGives) {
  const StripedImages data;
  for (const auto& [name, kind] : Registry<QuantizerKind>::all())
    for (bool folds : {false, true})
      for (int bits : {2, 4, 8}) {
        SCOPED_TRACE(text(name, folds ? ", folded, " : ", kept, ", bits, " bits"));
        auto options = options_of(bits, bits, name);
        options.folds_batch_norm = folds;
        const TrainingNetwork training(training_model(), data, options, {});
        // The residual Add reads 8 bits beside a narrow layer, BatchNormalization kept or folded.
        EXPECT_EQ(training.placement().find("s_skip", SiteKind::kActivation) != nullptr, bits < 8);
        const TensorMap inputs = all_images(training.network().network(), data);
        const at::NoGradGuard no_gradient;
        const at::Tensor ours = training.network().run(inputs).at("logits");
        const at::Tensor written = written_outputs(training.exported(training.trained()), inputs);
        const double reach = (ours.max() - ours.min()).item<double>();
        // Folding rounds biases to integers and multiplies scales in float32: a code on an edge may
        // fall to the other side now and then.
        EXPECT_LT((ours - written).abs().mean().item<double>(), 0.01 * reach);
        EXPECT_GE((ours.argmax(1) == written.argmax(1)).sum().item<int64_t>(), 94);
      }
}

// Two layers, then both their normalizations: folded, other nodes lie between a value and its
// reader.
TEST(TrainingNetwork, NormalizationsThatLieInterleavedKeepTheirSites) {
  Model model = training_model();
  Graph& g = model.graph;
  const auto at = [&](const std::string& name) {
    return std::ranges::find(g.nodes, name, &Node::name);
  };
  Node other = *at("a");
  other.name = "u";
  other.inputs[0] = "image";
  other.inputs[1] = "u.weight";
  g.initializers["u.weight"] = g.initializers.at("stem.weight");
  other.outputs = {"u.out"};
  g.nodes.insert(at("stem") + 1, other);
  Node norm = *at("bn1");
  norm.name = "bn1b";
  norm.inputs[0] = "u.out";
  norm.outputs[0] = "u.normal";
  for (size_t k = 1; k < 5; ++k) {
    const std::string own = "u." + norm.inputs[k];
    g.initializers[own] = g.initializers.at(norm.inputs[k]);
    norm.inputs[k] = own;
  }
  g.nodes.insert(at("bn1") + 1, norm);
  g.nodes.insert(
      at("add") + 1,
      {.name = "add2", .op_type = "Add", .inputs = {"sum", "u.normal"}, .outputs = {"sum2"}});
  at("r.relu")->inputs[0] = "sum2";
  const StripedImages data;
  const TrainingNetwork training(model, data, options_of(4, 4, "lsq"), {});
  EXPECT_NE(training.placement().find("s_skip", SiteKind::kActivation), nullptr);
  for (const Site& site : training.placement().sites) {
    if (site.kind == SiteKind::kActivation) continue;
    const Node& reader = training.folded_graph().nodes[static_cast<size_t>(site.node)];
    EXPECT_EQ(reader.input(site.kind == SiteKind::kWeight ? 1 : 2), site.name);
  }
  EXPECT_LT(written_difference(training, data), 0.01);
}

TEST(TrainingNetwork, EveryTargetGetsWhatIsTrained) {
  const StripedImages data;
  for (const std::string target : {"onnxruntime", "openvino", "tensorrt"})
    for (const std::string name : {"lsq", "lsq+", "minmax", "fat"}) {
      SCOPED_TRACE(target + ", " + name);
      auto options = options_of(4, 8, name);
      options.quantize.target = target;
      const TrainingNetwork training(training_model(), data, options, {});
      EXPECT_LT(written_difference(training, data), 0.01);
    }
}

TEST(TrainingNetwork, LoweringBitsKeepsTheTensorsThatAreTrained) {
  const StripedImages data;
  TrainingNetwork training(training_model(), data, options_of(2, 2, "lsq"), {});
  const void* before = training.network().network().parameters().at("a.weight").data_ptr();
  training.lower_bits(4, data, {});
  EXPECT_EQ(training.bits_of("a.weight"), 4);
  EXPECT_EQ(training.network().network().parameters().at("a.weight").data_ptr(), before);
}

TEST(TrainingNetwork, FactorsOfBiasesAreInTheFile) {
  const StripedImages data;
  auto options = options_of(8, 8, "fat");
  options.folds_batch_norm = options.trains_elements = true;
  TrainingNetwork training(training_model(), data, options, {});
  const Model before = training.trained().model;
  auto& factors = training.network().quantizers().bias_factors;
  EXPECT_EQ(factors.size(), 4u);
  factors.at("fc.bias").fill_(1.2f);
  const Model after = training.trained().model;
  auto bias_of = [](const Model& model) {
    return to_torch(model.graph.initializers.at("fc.bias"));
  };
  EXPECT_TRUE(at::allclose(bias_of(after), bias_of(before) * 1.2));
  EXPECT_LT(written_difference(training, data), 0.01);
  factors.at("fc.bias").fill_(9.0f);
  EXPECT_TRUE(at::allclose(bias_of(training.trained().model), bias_of(before) * 1.25));
}

TEST(TrainingNetwork, StartsWhereItIsTold) {
  const StripedImages data;
  const at::Tensor w = to_torch(training_model().graph.initializers.at("a.weight"));
  auto scale_from = [&](QuantizerRanges start) {
    auto options = options_of(4, 4, "lsq");
    options.start = start;
    const TrainingNetwork training(training_model(), data, options, {});
    return training.network().quantizers().weights.at("a.weight")->params().scales[0];
  };
  EXPECT_NEAR(scale_from(QuantizerRanges::kMeanMagnitude),
              2 * w[0].abs().mean().item<float>() / std::sqrt(7.0f), 1e-6);
  EXPECT_NEAR(scale_from(QuantizerRanges::kMinMax), w[0].abs().max().item<float>() / 7, 1e-6);
  EXPECT_LT(scale_from(QuantizerRanges::kLeastError), scale_from(QuantizerRanges::kMinMax));
}

// Folding does not multiply a normalization into a MatMul: neither may its codes be.
TEST(TrainingNetwork, NormalizationBehindAMatMulStaysWhereItIs) {
  Model model;
  Graph& g = model.graph;
  g.inputs = training_model().graph.inputs;
  g.outputs = training_model().graph.outputs;
  g.initializers["m.weight"] = Tensor::of<float>({192, 8}, random_values(1536, 1));
  g.initializers["fc.weight"] = Tensor::of<float>({8, 4}, random_values(32, 2));
  g.nodes = {{.name = "flatten", .op_type = "Flatten", .inputs = {"image"}, .outputs = {"x"}},
             {.name = "m", .op_type = "MatMul", .inputs = {"x", "m.weight"}, .outputs = {"m.out"}}};
  add_batch_norm(g, "bn", "m.out", "m.normal", 10);
  g.nodes.push_back({.name = "relu", .op_type = "Relu", .inputs = {"m.normal"}, .outputs = {"r"}});
  g.nodes.push_back(
      {.name = "fc", .op_type = "MatMul", .inputs = {"r", "fc.weight"}, .outputs = {"logits"}});
  EXPECT_TRUE(following_batch_norms(g).empty());
  const StripedImages data;
  const TrainingNetwork training(model, data, options_of(8, 8, "lsq"), {});
  EXPECT_LT(written_difference(training, data), 0.01);
}

TEST(TrainingNetwork, GammasBecomePositiveAndTheFunctionStays) {
  const StripedImages data;
  Graph graph = training_model().graph;
  const Network before(graph);
  const auto norms = following_batch_norms(graph);
  ASSERT_EQ(norms.size(), 3u);
  make_gammas_positive(graph, norms);
  for (const auto& [weight, norm] : norms)
    for (float gamma : graph.initializers.at(norm.gamma).to_vector<float>()) EXPECT_GE(gamma, 0);
  const TensorMap inputs = all_images(before, data);
  EXPECT_TRUE(at::allclose(before.run(inputs).at("logits"), Network(graph).run(inputs).at("logits"),
                           1e-4, 1e-4));
}

TEST(TrainingNetwork, AWeightBeforeTwoNormalizationsIsFolded) {
  // Each normalization makes another weight of it.
  Model model = training_model();
  for (Node& node : model.graph.nodes)
    if (node.name == "b") node.inputs[1] = "a.weight";
  const StripedImages data;
  const TrainingNetwork training(model, data, options_of(4, 4, "lsq"), {});
  EXPECT_TRUE(training.network().network().running_statistics().empty());
  EXPECT_LT(written_difference(training, data), 0.01);
}

TEST(TrainingNetwork, AFactorOfZeroLeavesTheShift) {
  Model model = training_model();
  model.graph.initializers["bn1.gamma"] = Tensor::of<float>({8}, std::vector<float>(8));
  model.graph.initializers["bn1.beta"] = Tensor::of<float>({8}, std::vector<float>(8, 0.3f));
  const StripedImages data;
  for (const int bits : {1, 2, 4}) {
    auto options = options_of(bits, 4, "lsq");
    options.quantize.fixes = {text("stem.weight=", bits)};
    EXPECT_LT(written_difference(TrainingNetwork(model, data, options, {}), data), 0.01) << bits;
  }
}

TEST(TrainingNetwork, KeepsBatchNormAndSaysWhichWeightsItFollows) {
  const StripedImages data;
  const TrainingNetwork kept(training_model(), data, options_of(4, 4, "lsq"), {});
  EXPECT_FALSE(kept.network().network().running_statistics().empty());
  auto options = options_of(4, 4, "lsq");
  options.folds_batch_norm = true;
  const TrainingNetwork folded(training_model(), data, options, {});
  EXPECT_TRUE(folded.network().network().running_statistics().empty());
}

TEST(TrainingNetwork, LowersBitsInStages) {
  const StripedImages data;
  TrainingNetwork training(training_model(), data, options_of(2, 2, "lsq"), {});
  auto bits = [&] { return training.network().quantizers().weights.at("a.weight")->params().bits; };
  EXPECT_EQ(bits(), 2);
  training.lower_bits(4, data, {});
  EXPECT_EQ(bits(), 4);
  EXPECT_EQ(training.network().quantizers().weights.at("stem.weight")->params().bits, 8);
  training.lower_bits(1, data, {});
  EXPECT_EQ(bits(), 2);
}

TEST(BatchNorm, ReestimationTakesTheBatchAndStaysThere) {
  const StripedImages data;
  const TrainingNetwork training(training_model(), data, options_of(8, 8, "lsq"), {});
  const TrainedNetwork& network = training.network();
  const TensorMap batch = all_images(network.network(), data);
  const at::Tensor weights = network.network().parameters().at("a.weight").clone();
  auto reestimate = [&](int batches) {
    BatchNormEstimate estimate(network);
    for (int i = 0; i < batches; ++i) estimate.add(batch);
    estimate.finish();
  };
  reestimate(1);
  const TensorMap out = network.run(batch, {.capture = {"stem.out"}});
  const at::Tensor wanted = out.at("stem.out").mean({0, 2, 3});
  const at::Tensor mean = network.network().parameters().at("bn1.mean");
  EXPECT_TRUE(at::allclose(mean, wanted, 1e-4, 1e-5));
  const at::Tensor once = mean.clone();
  reestimate(2);
  EXPECT_TRUE(at::equal(mean, once));
  EXPECT_TRUE(at::equal(network.network().parameters().at("a.weight"), weights));
}

TEST(TrainingNetwork, RefusesQuantizedModels) {
  const StripedImages data;
  const TrainingNetwork training(training_model(), data, options_of(8, 8, "lsq"), {});
  const Model quantized = training.exported(training.trained());
  const auto message =
      message_of([&] { TrainingNetwork(quantized, data, options_of(4, 4, "lsq"), {}); });
  EXPECT_NE(message.find("--requantize"), std::string::npos) << message;
}

}  // namespace
}  // namespace halftone

#include "halftone/nn/network.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"
#include "halftone/graph/interpreter.h"
#include "halftone/graph/ops/node_under_test.h"
#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

using testing::HasSubstr;
using testing_ops::node;

Tensor random(const Shape& shape) { return from_torch(at::randn(shape)); }
Tensor random_positive(const Shape& shape) { return from_torch(at::rand(shape) + 0.5); }

// image [N,3,8,8] -> conv, batch norm, relu, pool, fully connected -> logits [N,5]
Graph small_network() {
  at::manual_seed(1);
  Graph graph;
  graph.inputs.push_back({"image", {DType::kFloat, testing_ops::dims({"batch", 3, 8, 8})}, {}});
  graph.outputs.push_back({"logits", {}, {}});
  graph.initializers = {
      {"conv.weight", random({4, 3, 3, 3})},
      {"bn.scale", random({4})},
      {"bn.bias", random({4})},
      {"bn.mean", random({4})},
      {"bn.variance", random_positive({4})},
      {"fc.weight", random({5, 64})},
      {"fc.bias", random({5})},
  };
  const std::vector<int64_t> ones{1, 1, 1, 1}, twos{2, 2};
  graph.nodes = {
      node("Conv", {"image", "conv.weight"}, {"a"}, {{"pads", ones}}),
      node("BatchNormalization", {"a", "bn.scale", "bn.bias", "bn.mean", "bn.variance"}, {"b"},
           {{"momentum", 0.75f}}),
      node("Relu", {"b"}, {"c"}),
      node("MaxPool", {"c"}, {"d"}, {{"kernel_shape", twos}, {"strides", twos}}),
      node("Flatten", {"d"}, {"e"}),
      node("Gemm", {"e", "fc.weight", "fc.bias"}, {"logits"}, {{"transB", int64_t{1}}}),
  };
  return graph;
}

at::Tensor images() {
  at::manual_seed(2);
  return at::randn({2, 3, 8, 8});
}

void expect_close(const at::Tensor& found, const Tensor& expected) {
  EXPECT_TRUE(at::allclose(found, to_torch(expected), 1e-4, 1e-5));
}

TEST(Network, ComputesWhatTheInterpreterDoes) {
  const Graph graph = small_network();
  const TensorMap outputs = Network(graph).run({{"image", images()}});
  ASSERT_EQ(outputs.size(), 1U);
  expect_close(outputs.at("logits"), interpret(graph, {{"image", from_torch(images())}})[0]);
}

TEST(Network, CapturesAndObservesIntermediateValues) {
  Graph graph = small_network();
  TensorMap observed;
  std::vector<std::string> order;
  const NetworkRun how{.capture = {"image", "c", "e"},
                       .observe = [&](const std::string& name, const at::Tensor& value) {
                         observed[name] = value.clone();
                         order.push_back(name);
                       }};
  const TensorMap outputs = Network(graph).run({{"image", images()}}, how);
  EXPECT_EQ(order, (std::vector<std::string>{"image", "a", "b", "c", "d", "e", "logits"}));
  EXPECT_EQ(outputs.size(), 4U);
  graph.outputs.clear();
  for (const char* name : {"a", "b", "c", "d", "e"}) graph.outputs.push_back({name, {}, {}});
  const Tensors expected = interpret(graph, {{"image", from_torch(images())}});
  for (size_t i = 0; i < expected.size(); ++i)
    expect_close(observed.at(graph.outputs[i].name), expected[i]);
  for (const char* name : {"image", "c", "e"})
    EXPECT_TRUE(outputs.at(name).equal(observed.at(name)));
}

// "a" is captured, "b" read twice, "c" is nobody else's: what overwrites its input must know.
TEST(Network, OverwritesOnlyWhatNobodyElseReads) {
  Graph graph;
  graph.inputs.push_back({"image", {DType::kFloat, testing_ops::dims({2, 3})}, {}});
  graph.outputs.push_back({"y", {}, {}});
  graph.nodes = {node("Relu", {"image"}, {"a"}), node("Neg", {"a"}, {"b"}),
                 node("Add", {"b", "b"}, {"c"}), node("Add", {"c", "b"}, {"d"}),
                 node("Relu", {"d"}, {"e"}),     node("Add", {"a", "e"}, {"y"})};
  const Network network(graph);
  const at::Tensor given = at::randn({2, 3}), image = given.clone();
  const TensorMap expected = network.run({{"image", given}}, {.capture = {"a"}});

  const c10::InferenceMode inference;
  std::map<std::string, const void*> memory;
  const TensorMap found = network.run(
      {{"image", image}}, {.capture = {"a"}, .observe = [&](const auto& name, const auto& value) {
                             memory[name] = value.data_ptr();
                           }});
  EXPECT_TRUE(at::equal(image, given));
  EXPECT_TRUE(at::equal(found.at("a"), expected.at("a")));
  EXPECT_TRUE(at::equal(found.at("y"), expected.at("y")));
  EXPECT_EQ(memory["d"], memory["c"]);
  EXPECT_EQ(memory["e"], memory["d"]);
  EXPECT_NE(memory["c"], memory["b"]);
  EXPECT_EQ(memory["y"], memory["e"]) << "the sum may take either's place";
}

// Operators that write over their input, views of it, and others, on values that any number of
// nodes read: the same numbers as without, twice in a row, and nothing that was given has changed.
TEST(Network, OverwritingChangesNoResult) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, "overwriting");
    Graph graph;
    graph.inputs.push_back({"image", {DType::kFloat, testing_ops::dims({2, 6})}, {}});
    graph.initializers = {{"w", random({2, 6})}, {"half", Tensor::of<int64_t>({2}, {3, 3})}};
    std::vector<std::string> values{"image", "w"};
    const auto any = [&] { return values[rng.below(values.size())]; };
    std::set<std::string> captured;
    for (int i = 0; i < 12; ++i) {
      const std::string y = text("y", i);
      switch (rng.below(6)) {
        case 0:
          graph.nodes.push_back(node("Relu", {any()}, {y}));
          break;
        case 1:
          graph.nodes.push_back(node("Clip", {any()}, {y}, {{"min", -0.5f}, {"max", 1.f}}));
          break;
        case 2:
          graph.nodes.push_back(node("Add", {any(), any()}, {y}));
          break;
        case 3:
          graph.nodes.push_back(node("Neg", {any()}, {y}));
          break;
        case 4:
          graph.nodes.push_back(node("Identity", {any()}, {y}));
          break;
        default:  // two views of one value
          graph.nodes.push_back(
              node("Split", {any(), "half"}, {y + "a", y + "b"}, {{"axis", int64_t{1}}}));
          graph.nodes.push_back(node("Relu", {y + "a"}, {y + "c"}));
          graph.nodes.push_back(node("Concat", {y + "c", y + "b"}, {y}, {{"axis", int64_t{1}}}));
      }
      values.push_back(y);
      if (rng.below(4) == 0) captured.insert(y);
    }
    graph.outputs = {{values.back(), {}, {}}, {values[values.size() / 2], {}, {}}};
    const Network network(graph);
    const at::Tensor given = at::randn({2, 6}), image = given.clone();
    const at::Tensor known = at::randn({2, 6}), kept = known.clone();
    const NetworkRun how{.known = {{"y3", known}}, .capture = captured};
    const TensorMap expected = network.run({{"image", given}}, how);
    const c10::InferenceMode inference;
    for (int round = 0; round < 2; ++round)
      for (const auto& [name, value] : network.run({{"image", image}}, how))
        EXPECT_TRUE(at::equal(value, expected.at(name))) << name << ", seed " << seed;
    EXPECT_TRUE(at::equal(image, given));
    EXPECT_TRUE(at::equal(known, kept));
    const auto w = network.parameters().find("w");
    EXPECT_TRUE(w == network.parameters().end() ||
                at::equal(w->second, to_torch(graph.initializers.at("w"))));
  }
}

// Not at the limits themselves, as Relu at 0.
TEST(Network, ClipPassesGradientsBetweenItsLimits) {
  Graph graph;
  graph.inputs.push_back({"x", {DType::kFloat, testing_ops::dims({5})}, {}});
  graph.outputs.push_back({"y", {}, {}});
  graph.nodes = {node("Clip", {"x"}, {"y"}, {{"min", 0.f}, {"max", 6.f}})};
  const at::Tensor x = at::tensor({-1.f, 0.f, 3.f, 6.f, 7.f}).requires_grad_();
  Network(graph).run({{"x", x}}).at("y").sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::tensor({0.f, 0.f, 1.f, 0.f, 0.f})));
}

TEST(Network, UpdatesRunningStatisticsWithOnnxMomentum) {
  const Network network(small_network());
  EXPECT_EQ(network.running_statistics(), (std::set<std::string>{"bn.mean", "bn.variance"}));
  const at::Tensor old_mean = network.parameters().at("bn.mean").clone();
  const at::Tensor old_variance = network.parameters().at("bn.variance").clone();
  const at::Tensor a = network.run({{"image", images()}}, {.capture = {"a"}}).at("a");
  EXPECT_TRUE(network.parameters().at("bn.mean").equal(old_mean));
  network.run({{"image", images()}}, {.training = true});
  const auto [variance, mean] = at::var_mean(a, {0, 2, 3}, /*unbiased=*/false, false);
  EXPECT_TRUE(at::allclose(network.parameters().at("bn.mean"), old_mean * 0.75 + mean * 0.25));
  EXPECT_TRUE(
      at::allclose(network.parameters().at("bn.variance"), old_variance * 0.75 + variance * 0.25));
}

TEST(Network, NormalizesByTheBatchInTraining) {
  const Network network(small_network());
  const at::Tensor b =
      network.run({{"image", images()}}, {.training = true, .capture = {"b"}}).at("b");
  EXPECT_TRUE(at::allclose(b.mean({0, 2, 3}), network.parameters().at("bn.bias"), 1e-4, 1e-5));
}

TEST(Network, DropsOnlyInTraining) {
  Graph graph;
  graph.nodes = {node("Dropout", {"x"}, {"y", "mask"})};
  graph.outputs = {{"y", {}, {}}, {"mask", {}, {}}};
  const Network network(graph);
  const at::Tensor x = at::ones({1000});
  EXPECT_TRUE(network.run({{"x", x}}).at("y").equal(x));
  const TensorMap dropped = network.run({{"x", x}}, {.training = true});
  EXPECT_TRUE(dropped.at("y").equal(dropped.at("mask").to(at::kFloat) * 2));
  EXPECT_NEAR(dropped.at("mask").sum().item<double>(), 500, 100);
}

TEST(Network, RejectsAnUnsupportedOperatorByNameAndNode) {
  Graph graph;
  graph.nodes = {node("SequenceMap", {"x"}, {"y"})};
  graph.nodes[0].name = "outer_map";
  try {
    const Network network(graph);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("SequenceMap"));
    EXPECT_THAT(error.what(), HasSubstr("outer_map"));
  }
}

TEST(Network, NamesTheNodeThatFailsAndItsShapes) {
  const Network network(small_network());
  try {
    network.run({{"image", at::zeros({2, 3, 12, 12})}});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("Gemm"));
    EXPECT_THAT(error.what(), HasSubstr("[5,64]"));
  }
}

TEST(Network, NamesAMissingInput) {
  const Network network(small_network());
  try {
    network.run({});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'image'"));
  }
}

TEST(Network, WritesChangedParametersBack) {
  const Graph graph = small_network();
  const Network network(graph);
  at::Tensor bias = network.parameters().at("fc.bias");
  bias.fill_(3);
  const Graph changed = network.write_back();
  EXPECT_EQ(changed.initializers.at("fc.bias"), Tensor::of<float>({5}, {3, 3, 3, 3, 3}));
  EXPECT_EQ(changed.initializers.at("fc.weight"), graph.initializers.at("fc.weight"));
  expect_close(network.run({{"image", images()}}).at("logits"),
               interpret(changed, {{"image", from_torch(images())}})[0]);
}

TEST(Network, LearnsThroughItsParameters) {
  const Network network(small_network());
  for (auto [name, parameter] : network.parameters())
    if (!network.running_statistics().contains(name)) parameter.requires_grad_();
  network.run({{"image", images()}}, {.training = true}).at("logits").square().sum().backward();
  for (const auto& [name, parameter] : network.parameters())
    EXPECT_EQ(parameter.grad().defined(), !network.running_statistics().contains(name)) << name;
}

TEST(Network, RunsFromTwoThreadsToTheSameBytes) {
  const Network network(small_network());
  const Tensor expected = from_torch(network.run({{"image", images()}}).at("logits"));
  const at::Tensor x = images();
  const auto work = [&](bool& is_same) {
    for (int i = 0; i < 50; ++i)
      is_same = is_same && from_torch(network.run({{"image", x}}).at("logits")) == expected;
  };
  bool first = true, second = true;
  std::thread other([&] { work(first); });
  work(second);
  other.join();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace halftone

#include "halftone/nn/network.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

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

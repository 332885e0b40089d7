// Every differentiable operator, in float64: its gradient is that of finite differences, and its
// value that of the reference kernel.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "halftone/graph/ops/node_under_test.h"
#include "halftone/nn/network.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"

namespace halftone {
namespace {

// An input: random values from [low, high], which are differentiated where they are learned, or
// integers.
struct Operand {
  Shape shape;
  double low = 0, high = 0;
  std::vector<int64_t> integers = {};
  bool is_learned = true;
  bool is_random() const { return low < high; }
};
Operand any(Shape shape) { return {std::move(shape), -2, 2}; }
Operand positive(Shape shape) { return {std::move(shape), 0.3, 2}; }
Operand within_one(Shape shape) { return {std::move(shape), -0.9, 0.9}; }
Operand statistics(Shape shape) {
  return {.shape = std::move(shape), .low = 0.3, .high = 2, .is_learned = false};
}
Operand integers(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return {{count}, 0, 0, std::move(values)};
}

struct Case {
  std::string op;
  std::vector<Operand> inputs;
  Attributes attributes = {};
  size_t outputs = 1;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.op; }

using Ints = std::vector<int64_t>;
constexpr int64_t kOne = 1, kTwo = 2, kZero = 0;

std::vector<Case> cases() {
  std::vector<Case> all{
      {"Conv",
       {any({2, 4, 5, 6}), any({6, 2, 3, 2}), any({6})},
       {{"group", kTwo}, {"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 2, 1}}}},
      {"Conv", {any({1, 2, 9}), any({3, 2, 3})}, {{"dilations", Ints{2}}}},
      {"Conv",
       {any({1, 2, 4, 4, 3}), any({2, 2, 2, 2, 2})},
       {{"auto_pad", std::string("SAME_LOWER")}}},
      {"ConvTranspose",
       {any({1, 4, 3, 4}), any({4, 3, 3, 2}), any({6})},
       {{"group", kTwo}, {"strides", Ints{2, 3}}, {"pads", Ints{1, 0, 0, 1}}}},
      {"ConvTranspose",
       {any({1, 2, 4}), any({2, 3, 3})},
       {{"strides", Ints{2}}, {"pads", Ints{1, 1}}, {"output_padding", Ints{1}}}},
      {"Gemm",
       {any({4, 3}), any({5, 4}), any({5})},
       {{"alpha", 0.5f}, {"beta", 2.f}, {"transA", kOne}, {"transB", kOne}}},
      {"MatMul", {any({2, 1, 3, 4}), any({5, 4, 2})}},
      {"Einsum", {any({2, 3, 4}), any({2, 4, 5})}, {{"equation", std::string("bij, bjk -> bik")}}},
      {"BatchNormalization",
       {any({2, 3, 4}), any({3}), any({3}), statistics({3}), statistics({3})}},
      {"InstanceNormalization", {any({2, 3, 4, 2}), any({3}), any({3})}},
      {"GroupNormalization", {any({2, 4, 5}), any({4}), any({4})}, {{"num_groups", kTwo}}},
      {"LayerNormalization", {any({2, 3, 4}), any({3, 4}), any({3, 4})}, {{"axis", kOne}}},
      {"LayerNormalization", {any({2, 3, 4}), any({4}), any({1})}, {{"axis", kOne}}},
      {"RMSNormalization", {any({2, 3, 4}), any({4})}},
      {"MeanVarianceNormalization", {any({2, 3, 2, 2})}},
      {"LpNormalization", {any({3, 4})}, {{"axis", kZero}}},
      {"LRN", {any({2, 5, 3, 2})}, {{"size", int64_t{3}}, {"alpha", 0.5f}}},
      {"MaxPool",
       {any({1, 2, 6, 5})},
       {{"kernel_shape", Ints{3, 2}},
        {"strides", Ints{2, 2}},
        {"pads", Ints{1, 0, 0, 1}},
        {"ceil_mode", kOne}}},
      {"AveragePool",
       {any({1, 2, 6, 5})},
       {{"kernel_shape", Ints{3, 2}},
        {"strides", Ints{2, 2}},
        {"pads", Ints{1, 0, 1, 0}},
        {"ceil_mode", kOne},
        {"count_include_pad", kOne}}},
      {"AveragePool", {any({1, 2, 7})}, {{"kernel_shape", Ints{2}}, {"dilations", Ints{2}}}},
      {"LpPool", {any({1, 2, 6, 5})}, {{"kernel_shape", Ints{2, 2}}}},
      {"GlobalAveragePool", {any({2, 3, 4, 2})}},
      {"GlobalMaxPool", {any({2, 3, 4, 2})}},
      {"GlobalLpPool", {any({2, 3, 4, 2})}},
      {"Softmax", {any({2, 3, 4})}, {{"axis", kOne}}},
      {"LogSoftmax", {any({2, 3, 4})}},
      {"PRelu", {any({2, 3, 4}), any({3, 1})}},
      {"Div", {any({2, 3}), positive({3})}},
      {"Pow", {positive({2, 3}), any({2, 1})}},
      {"Max", {any({2, 3}), any({3}), any({2, 1})}},
      {"Mean", {any({2, 3}), any({3})}},
      {"ReduceSum", {any({2, 3, 4}), integers({0, -1})}},
      {"ReduceMean", {any({2, 3, 4}), integers({1})}, {{"keepdims", kZero}}},
      {"ReduceMax", {any({2, 3, 4}), integers({1})}},
      {"ReduceProd", {any({2, 3, 4}), integers({0, 2})}},
      {"ReduceL1", {any({2, 3, 4}), integers({1})}},
      {"ReduceL2", {any({2, 3, 4}), integers({1})}},
      {"ReduceSumSquare", {any({2, 3, 4})}},
      {"ReduceLogSum", {positive({2, 3, 4}), integers({1})}},
      {"ReduceLogSumExp", {any({2, 3, 4}), integers({1})}},
      {"CumSum", {any({3, 4}), integers({1})}, {{"exclusive", kOne}, {"reverse", kOne}}},
      {"TopK", {any({3, 5}), integers({2})}, {{"axis", kOne}}},
      {"Concat", {any({2, 3}), any({2, 2})}, {{"axis", kOne}}},
      {"Split", {any({2, 5}), integers({2, 3})}, {{"axis", kOne}}, 2},
      {"Slice",
       {any({4, 6}), integers({-1, 1}), integers({0, 6}), integers({0, 1}), integers({-2, 3})}},
      {"Gather", {any({4, 3}), integers({-1, 0, 2, 2})}},
      {"ScatterND", {any({4, 3}), {{2, 1}, 0, 0, {3, 1}}, any({2, 3})}},
      {"Pad", {any({2, 3}), integers({1, 0, 0, 2})}},
      {"Pad", {any({3, 4}), integers({1, -1, 2, 2})}, {{"mode", std::string("reflect")}}},
      {"Pad", {any({3, 4}), integers({1, 0, 2, 2})}, {{"mode", std::string("edge")}}},
      {"Transpose", {any({2, 3, 4})}, {{"perm", Ints{2, 0, 1}}}},
      {"Expand", {any({3, 1}), integers({2, 1, 4})}},
      {"Tile", {any({2, 3}), integers({2, 2})}},
      {"DepthToSpace", {any({1, 8, 2, 3})}, {{"blocksize", kTwo}}},
      {"SpaceToDepth", {any({1, 2, 4, 6})}, {{"blocksize", kTwo}}},
      {"Trilu", {any({3, 4})}},
      {"Resize",
       {any({1, 2, 3, 4}), {}, {}, integers({1, 2, 5, 7})},
       {{"mode", std::string("linear")}}},
      {"Resize",
       {any({1, 2, 6, 4}), {}, {}, integers({1, 2, 3, 7})},
       {{"mode", std::string("cubic")}, {"antialias", kOne}}},
      {"Resize", {any({1, 2, 3, 4}), {}, {}, integers({1, 2, 6, 8})}},
  };
  for (const char* name :
       {"Relu",    "LeakyRelu",   "Elu",       "Celu",     "Selu",   "ThresholdedRelu",
        "Sigmoid", "HardSigmoid", "HardSwish", "Swish",    "Mish",   "Tanh",
        "Gelu",    "Erf",         "Softplus",  "Softsign", "Shrink", "Abs",
        "Neg",     "Exp",         "Sin",       "Cos",      "Sinh",   "Cosh",
        "Atan",    "Asinh"})
    all.push_back({name, {any({2, 3})}});
  for (const char* name : {"Log", "Sqrt", "Reciprocal"}) all.push_back({name, {positive({2, 3})}});
  for (const char* name : {"Asin", "Acos", "Atanh", "Tan"})
    all.push_back({name, {within_one({2, 3})}});
  for (const char* name : {"Add", "Sub", "Mul"})
    all.push_back({name, {any({2, 1, 3}), any({4, 1})}});
  all.push_back({"Gelu", {any({2, 3})}, {{"approximate", std::string("tanh")}}});
  all.push_back({"Swish", {any({2, 3})}, {{"alpha", 1.5f}}});
  return all;
}

bool is_left_out(const Operand& operand) { return operand.shape.empty(); }

Graph graph_of(const Case& c) {
  Graph graph;
  graph.nodes.push_back(testing_ops::node_of(c.op, c.inputs.size(), c.attributes, c.outputs));
  for (size_t i = 0; i < c.inputs.size(); ++i)
    if (is_left_out(c.inputs[i])) graph.nodes[0].inputs[i].clear();
  for (const std::string& name : graph.nodes[0].outputs) graph.outputs.push_back({name, {}, {}});
  return graph;
}

TensorMap values_of(const Case& c) {
  at::manual_seed(7);
  TensorMap values;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Operand& operand = c.inputs[i];
    if (is_left_out(operand)) continue;
    at::Tensor& value = values["in" + std::to_string(i)];
    value =
        operand.is_random()
            ? at::rand(operand.shape, at::kDouble).mul(operand.high - operand.low).add(operand.low)
            : at::tensor(operand.integers, at::TensorOptions(at::kLong)).reshape(operand.shape);
    if (operand.is_random() && operand.is_learned) value.requires_grad_();
  }
  return values;
}

// Weights of all signs make one number of the outputs.
at::Tensor loss(const Network& network, const TensorMap& values) {
  at::Tensor total = at::zeros({}, at::kDouble);
  for (const auto& [name, y] : network.run(values))
    total = total + at::arange(1, y.numel() + 1, at::kDouble).sin().reshape(y.sizes()).mul(y).sum();
  return total;
}

class Gradient : public testing::TestWithParam<Case> {
  OneTorchThread one_thread_;
};

TEST_P(Gradient, EqualsFiniteDifferences) {
  const Network network(graph_of(GetParam()));
  const TensorMap values = values_of(GetParam());
  loss(network, values).backward();
  constexpr double kStep = 1e-5;
  for (const auto& [name, value] : values) {
    if (!value.requires_grad()) continue;
    ASSERT_TRUE(value.grad().defined()) << "no gradient reaches " << name;
    const at::NoGradGuard no_grad;
    TensorMap moved = values;
    for (int64_t i = 0; i < value.numel(); ++i) {
      const auto at = [&](double step) {
        moved[name] = value.detach().clone();
        moved[name].view(-1)[i] += step;
        return loss(network, moved).item<double>();
      };
      const double expected = (at(kStep) - at(-kStep)) / (2 * kStep);
      ASSERT_NEAR(value.grad().reshape(-1)[i].item<double>(), expected,
                  1e-6 * (1 + std::fabs(expected)))
          << name << " at " << i;
    }
  }
}

TEST_P(Gradient, BelongsToTheReferenceKernelsFunction) {
  const Graph graph = graph_of(GetParam());
  const TensorMap values = values_of(GetParam());
  std::map<std::string, Tensor> inputs;
  for (const auto& [name, value] : values) inputs[name] = from_torch(value);
  const Tensors expected = interpret(graph, inputs);
  const TensorMap found = Network(graph).run(values);
  for (size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor& y = found.at(graph.outputs[i].name);
    const at::Tensor wanted = to_torch(expected[i]);
    ASSERT_EQ(y.sizes(), wanted.sizes());
    EXPECT_TRUE(at::allclose(y, wanted, 1e-9, 1e-12)) << y << "\ninstead of\n" << wanted;
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, Gradient, testing::ValuesIn(cases()), [](const auto& entry) {
  return entry.param.op + std::to_string(entry.index);
});

}  // namespace
}  // namespace halftone

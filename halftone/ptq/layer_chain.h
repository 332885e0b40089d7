// Builds one layer behind the other, with random weights, for tests of what changes neighbouring
// layers.
//
//   LayerChain chain({Dim::of(2), Dim::of(3), Dim::of(8), Dim::of(8)});
//   chain.conv("a", {16, 3, 3, 3}).then("Relu").conv("b", {16, 1, 3, 3}, {.groups = 16});
//   Graph graph = chain.graph();
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "halftone/base/rng.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"

namespace halftone {

inline Tensor random_tensor(Shape shape, uint64_t seed, float low = -1, float high = 1) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(element_count(shape)));
  for (float& x : values) x = low + (high - low) * static_cast<float>(rng.uniform());
  return Tensor::of<float>(std::move(shape), std::move(values));
}

struct ConvOptions {
  int64_t groups = 1;
  int64_t padding = 0;  // on every side
};

class LayerChain {
 public:
  explicit LayerChain(SymbolicShape input) {
    graph_.inputs = {{"x", {DType::kFloat, std::move(input)}, {}}};
  }

  // Channels of the weight differ by up to a factor of 1,000. Makes the value `name`, with the bias
  // `name`.bias.
  LayerChain& conv(const std::string& name, Shape shape, ConvOptions how = {}) {
    add_parameters(name, shape, shape[0], 0);
    const int64_t p = how.padding;
    return append(
        {.name = name,
         .op_type = "Conv",
         .inputs = {last_, name + ".weight", name + ".bias"},
         .outputs = {name},
         .attributes = {{"group", how.groups}, {"pads", std::vector<int64_t>{p, p, p, p}}}});
  }
  // shape: [outputs, inputs] with transB 1, [inputs, outputs] with 0.
  LayerChain& gemm(const std::string& name, Shape shape, int64_t trans_b) {
    add_parameters(name, shape, shape[trans_b ? 0 : 1], trans_b ? 0 : 1);
    return append({.name = name,
                   .op_type = "Gemm",
                   .inputs = {last_, name + ".weight", name + ".bias"},
                   .outputs = {name},
                   .attributes = {{"transB", trans_b}}});
  }
  LayerChain& then(const std::string& op, std::vector<std::string> more_inputs = {}) {
    more_inputs.insert(more_inputs.begin(), last_);
    return append({.name = last_ + "." + op,
                   .op_type = op,
                   .inputs = more_inputs,
                   .outputs = {last_ + "." + op}});
  }
  LayerChain& clip(float high) {
    graph_.initializers["low"] = Tensor::scalar<float>(0);
    graph_.initializers["high"] = Tensor::scalar<float>(high);
    return then("Clip", {"low", "high"});
  }
  LayerChain& constant(const std::string& name, Tensor tensor) {
    graph_.initializers[name] = std::move(tensor);
    return *this;
  }

  // With the last value as its output, and inferred shapes.
  Graph graph() const {
    Graph result = graph_;
    result.outputs = {{last_, {DType::kFloat, {}}, {}}};
    infer_shapes(result);
    return result;
  }

 private:
  LayerChain& append(Node node) {
    last_ = node.outputs[0];
    graph_.nodes.push_back(std::move(node));
    return *this;
  }
  void add_parameters(const std::string& name, const Shape& shape, int64_t outputs, size_t axis) {
    const Tensor weight = random_tensor(shape, ++seed_),
                 spread = random_tensor({outputs}, ++seed_, -3, 0);
    auto values = weight.to_vector<float>();
    const auto exponents = spread.to_vector<float>();
    const auto inner = static_cast<size_t>(strides_of(shape)[axis]);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= std::pow(10.0f, exponents[i / inner % exponents.size()]);
    graph_.initializers[name + ".weight"] = Tensor::of<float>(shape, std::move(values));
    graph_.initializers[name + ".bias"] = random_tensor({outputs}, ++seed_, -0.2f, 0.2f);
  }

  Graph graph_;
  std::string last_ = "x";
  uint64_t seed_ = 100;
};

// The first output for the input x.
inline std::vector<float> output_of(const Graph& graph, const Tensor& x) {
  return interpret(graph, {{"x", x}})[0].to_vector<float>();
}

}  // namespace halftone

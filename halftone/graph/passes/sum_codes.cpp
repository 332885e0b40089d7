#include "halftone/graph/passes/sum_codes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

// The DequantizeLinear by a constant float32 scale that makes a value; nullptr where there is none.
const Node* dequantizer(const Graph& graph, const Links& links, const std::string& value) {
  const int producer = value.empty() ? -1 : links.producer(value);
  if (producer < 0) return nullptr;
  const Node& node = graph.nodes[static_cast<size_t>(producer)];
  const bool is_plain = node.op_type == "DequantizeLinear" && node.domain.empty() &&
                        node.int_or("block_size", 0) == 0;
  const Tensor* scale = is_plain ? graph.constant(node.input(1)) : nullptr;
  return scale && scale->dtype() == DType::kFloat ? &node : nullptr;
}

// s_x * s_w of each output channel, or of all; empty where x has more than one scale.
std::vector<float> products_of_scales(const Tensor& x, const Tensor& weight) {
  if (x.count() != 1) return {};
  std::vector<float> scales = weight.to_vector<float>();
  for (float& scale : scales) scale *= x.item<float>();
  return scales;
}

// [1, channels, 1, ...], or a scalar.
Tensor along_channels(std::vector<float> scales, size_t rank) {
  if (scales.size() == 1) return Tensor::scalar<float>(scales[0]);
  Shape shape(rank, 1);
  shape.at(1) = static_cast<int64_t>(scales.size());
  return Tensor::of<float>(std::move(shape), std::move(scales));
}

class CodeSums {
 public:
  explicit CodeSums(Graph& graph) : graph_(graph), links_(graph) {}

  void run() {
    std::vector<Node> result;
    for (const Node& node : graph_.nodes) {
      if (rewrite(node, result)) continue;
      const auto step = steps_.find(node.outputs.empty() ? "" : node.outputs[0]);
      result.push_back(step == steps_.end() ? node : in_steps(node, step->second));
    }
    graph_.nodes = std::move(result);
    remove_dead_code(graph_);
  }

 private:
  bool rewrite(const Node& node, std::vector<Node>& result) {
    if (node.op_type != "Conv" || !node.domain.empty()) return false;
    const Node* x = dequantizer(graph_, links_, node.input(0));
    const Node* weight = dequantizer(graph_, links_, node.input(1));
    const Node* bias = dequantizer(graph_, links_, node.input(2));
    if (!x || !weight || (!bias && !node.input(2).empty())) return false;
    const auto type = graph_.type(node.inputs[0]);
    auto scales =
        products_of_scales(*graph_.constant(x->inputs[1]), *graph_.constant(weight->inputs[1]));
    if (!type.shape || scales.empty()) return false;
    if (bias && graph_.constant(bias->inputs[1])->to_vector<float>() != scales) return false;
    Node sum = node;
    sum.inputs = {codes_of(*x, result), codes_of(*weight, result)};
    if (bias) sum.inputs.push_back(codes_of(*bias, result));
    sum.outputs = {graph_.unique_name(node.outputs[0] + "_sum")};
    const std::string factor = graph_.unique_name(node.outputs[0] + "_scale");
    if (const auto readers = readers_up_to_quantizer(node.outputs[0]); !readers.empty()) {
      const float step = graph_.constant(readers.back()->inputs[1])->item<float>();
      for (float& scale : scales) scale /= step;
      for (const Node* reader : readers) steps_[reader->outputs[0]] = step;
    }
    graph_.initializers[factor] = along_channels(scales, type.shape->size());
    result.push_back(sum);
    result.push_back({.name = node.name + "_scale",
                      .op_type = "Mul",
                      .inputs = {sum.outputs[0], factor},
                      .outputs = node.outputs});
    return true;
  }

  // The codes without zero point, as float32: the same DequantizeLinear by a scale of 1.
  std::string codes_of(const Node& dequantizer, std::vector<Node>& result) {
    const std::string codes = dequantizer.outputs[0] + "_codes";
    if (!made_.insert(codes).second) return codes;
    Node node = by_scale_one(dequantizer);
    node.outputs = {codes};
    result.push_back(node);
    return codes;
  }

  Node by_scale_one(Node node) {
    const Tensor& scale = *graph_.constant(node.inputs[1]);
    const std::string one = graph_.unique_name(node.inputs[1] + "_one");
    graph_.initializers[one] = Tensor::of<float>(
        scale.shape(), std::vector<float>(static_cast<size_t>(scale.count()), 1.0f));
    node.inputs[1] = one;
    return node;
  }

  // A quantizer or clamp of what is in steps.
  Node in_steps(Node node, float step) {
    if (node.op_type == "QuantizeLinear") return by_scale_one(std::move(node));
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty()) continue;
      const float limit = graph_.constant(node.inputs[i])->item<float>() / step;
      node.inputs[i] = graph_.unique_name(node.inputs[i] + "_steps");
      graph_.initializers[node.inputs[i]] = Tensor::scalar<float>(limit);
    }
    return node;
  }

  bool is_scalar(const std::string& name) const {
    const Tensor* constant = graph_.constant(name);
    return constant && constant->dtype() == DType::kFloat && constant->count() == 1;
  }

  // Whether the node bounds its first input by constants.
  bool is_clamp(const Node& node, const std::string& value) const {
    const bool is_named = node.op_type == "Relu" || node.op_type == "Clip";
    return is_named && node.domain.empty() && node.attributes.empty() && node.inputs[0] == value &&
           std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                       [&](const std::string& limit) { return limit.empty() || is_scalar(limit); });
  }

  // The QuantizeLinear by one constant scale that alone reads the value, last, after the clamps
  // between them; empty where there is none.
  std::vector<const Node*> readers_up_to_quantizer(std::string value) const {
    std::vector<const Node*> readers;
    for (;;) {
      const int index = links_.only_consumer(value);
      if (index < 0) return {};
      const Node& node = graph_.nodes[static_cast<size_t>(index)];
      readers.push_back(&node);
      if (node.op_type == "QuantizeLinear" && node.domain.empty())
        return is_scalar(node.input(1)) ? readers : std::vector<const Node*>();
      if (!is_clamp(node, value)) return {};
      value = node.outputs[0];
    }
  }

  Graph& graph_;
  const Links links_;
  std::set<std::string> made_;
  // By output: steps that a QuantizeLinear or a clamp reads its input in.
  std::map<std::string, float> steps_;
};

}  // namespace

void sum_codes(Graph& graph) { CodeSums(graph).run(); }

}  // namespace halftone

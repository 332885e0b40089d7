#include "halftone/graph/cost.h"

#include <algorithm>
#include <unordered_map>

namespace halftone {
namespace {

uint64_t size_of_one_sample(const std::optional<SymbolicShape>& shape, size_t from) {
  uint64_t size = 1;
  if (shape)
    for (size_t i = from; i < shape->size(); ++i)
      if ((*shape)[i].known()) size *= static_cast<uint64_t>((*shape)[i].value);
  return size;
}

uint64_t known(const std::optional<SymbolicShape>& shape, size_t i) {
  return shape && i < shape->size() && (*shape)[i].known()
             ? static_cast<uint64_t>((*shape)[i].value)
             : 1;
}

// Multiply-accumulates of one sample. A convolution does every weight once an output position; a
// matrix product every output K times.
uint64_t macs_of(const Graph& graph, const Node& node, const Tensor* weight) {
  const auto output = graph.type(node.outputs[0]).shape;
  if (node.op_type == "Conv" && weight) {
    const uint64_t outputs = known(output, 1) * size_of_one_sample(output, 2);
    const auto channels = static_cast<uint64_t>(std::max<int64_t>(1, weight->shape()[0]));
    return outputs * (static_cast<uint64_t>(weight->count()) / channels);
  }
  if (node.op_type == "ConvTranspose" && weight) {
    const auto input = graph.type(node.inputs[0]).shape;
    return size_of_one_sample(input, 2) * static_cast<uint64_t>(weight->count());
  }
  if (node.op_type == "Gemm" && weight) return static_cast<uint64_t>(weight->count());
  if (node.op_type == "MatMul") {
    const auto left = graph.type(node.inputs[0]).shape;
    const uint64_t inner = left && !left->empty() ? known(left, left->size() - 1) : 1;
    return size_of_one_sample(output, 0) * inner;
  }
  return 0;
}

// Bits of the activation that a node reads: of the Q (and Clip) behind its DequantizeLinear.
int activation_bits(const Graph& graph, const std::unordered_map<std::string, const Node*>& maker,
                    const std::string& input) {
  const auto dequantizer = maker.find(input);
  if (dequantizer == maker.end() || dequantizer->second->op_type != "DequantizeLinear") return 32;
  const std::string& codes = dequantizer->second->inputs[0];
  const auto before = maker.find(codes);
  const int clipped = before == maker.end() ? 0 : clipped_width(graph, *before->second);
  if (clipped) return clipped;
  const int bits = halftone::bits_of(graph.type(codes).dtype);
  return bits > 0 ? bits : 8;
}

}  // namespace

bool is_weighted(const Node& node) {
  return node.op_type == "Conv" || node.op_type == "ConvTranspose" || node.op_type == "Gemm" ||
         node.op_type == "MatMul";
}

int clipped_width(const Graph& graph, const Node& clip) {
  if (clip.op_type != "Clip") return 0;
  const Tensor* low = graph.constant(clip.input(1));
  const Tensor* high = graph.constant(clip.input(2));
  if (!low || !high || !is_integer(low->dtype())) return 0;
  int bits = 1;
  while ((int64_t{1} << bits) <= high->item<int64_t>() - low->item<int64_t>()) ++bits;
  return bits;
}

int stored_width(const Tensor& codes) {
  const int container = bits_of(codes.dtype());
  if (container < 8) return container;
  const auto values = codes.to_vector<int64_t>();
  if (values.empty()) return container;
  if (is_signed_integer(codes.dtype()) &&
      std::ranges::all_of(values, [](int64_t v) { return v == -1 || v == 1; }))
    return 1;  // binary
  const auto [low, high] = std::ranges::minmax(values);
  // One bit means -1 and 1, so {-1, 0} takes two.
  for (int bits = is_signed_integer(codes.dtype()) ? 2 : 1; bits < container; ++bits) {
    const int64_t half = int64_t{1} << (bits - 1);
    const bool fits =
        is_signed_integer(codes.dtype()) ? low >= -half && high <= half - 1 : high < 2 * half;
    if (fits) return bits;
  }
  return container;
}

const Tensor* weight_behind(const Graph& graph, const std::string& input, std::string* name) {
  if (name) *name = input;
  if (const Tensor* constant = graph.constant(input)) return constant;
  for (const Node& node : graph.nodes)
    if (node.op_type == "DequantizeLinear" && node.outputs[0] == input) {
      if (name) *name = node.inputs[0];
      return graph.constant(node.inputs[0]);
    }
  return nullptr;
}

Cost cost_of(const Graph& graph, const std::map<std::string, double>& site_bits) {
  std::unordered_map<std::string, const Node*> maker;
  for (const Node& node : graph.nodes)
    for (const std::string& output : node.outputs) maker[output] = &node;

  Cost cost;
  std::map<std::string, double> widths;  // of stored weights
  for (const Node& node : graph.nodes) {
    if (node.op_type == "QuantizeLinear" || node.op_type == "DequantizeLinear" ||
        node.outputs.empty())
      continue;
    LayerCost layer{.name = node.name.empty() ? node.outputs[0] : node.name, .op = node.op_type};
    const Tensor* weight = nullptr;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      std::string name;
      const Tensor* constant =
          node.inputs[i].empty() ? nullptr : weight_behind(graph, node.inputs[i], &name);
      if (!constant) continue;
      const bool is_quantized = name != node.inputs[i];
      if (!is_floating(constant->dtype()) && !is_quantized) continue;
      const bool is_statistic = node.op_type == "BatchNormalization" && i >= 3;
      if (!is_statistic && constant->rank() > 0)
        layer.parameters += static_cast<uint64_t>(constant->count());
      if (i != 1 || !is_weighted(node)) continue;
      weight = constant;
      layer.weight = name;
      const auto told = site_bits.find(name);
      layer.weight_bits = !is_quantized             ? bits_of(constant->dtype())
                          : told != site_bits.end() ? told->second
                                                    : stored_width(*constant);
      widths[name] = layer.weight_bits;
    }
    layer.macs = macs_of(graph, node, weight);
    if (layer.macs) layer.activation_bits = activation_bits(graph, maker, node.inputs[0]);
    if (layer.parameters == 0 && layer.macs == 0) continue;
    cost.parameters += layer.parameters;
    cost.macs += layer.macs;
    cost.layers.push_back(std::move(layer));
  }
  for (const auto& [name, tensor] : graph.initializers) {
    cost.stored_bytes += tensor.bytes().size();
    const auto width = widths.find(name);
    cost.ideal_bytes += width == widths.end()
                            ? tensor.bytes().size()
                            : (static_cast<uint64_t>(std::llround(
                                   static_cast<double>(tensor.count()) * width->second)) +
                               7) /
                                  8;
  }
  return cost;
}

}  // namespace halftone

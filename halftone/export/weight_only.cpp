#include "halftone/export/weight_only.h"

#include <algorithm>
#include <utility>

#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"

namespace halftone {
namespace {

// The other way round; float32, two axes.
Tensor transposed(const Tensor& matrix) {
  const auto rows = static_cast<size_t>(matrix.shape()[0]),
             columns = static_cast<size_t>(matrix.shape()[1]);
  const auto values = matrix.elements<float>();
  std::vector<float> result(values.size());
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) result[j * rows + i] = values[i * columns + j];
  return Tensor::of<float>({matrix.shape()[1], matrix.shape()[0]}, std::move(result));
}

// Why the target makes no one operator of this node and its dequantized weight.
std::string obstacle(const Graph& graph, const Node& node, const Tensor& weight,
                     const Profile& profile) {
  if (!profile.has_narrow_products)
    return "groups and types below 8 bits were never run in " + profile.name;
  if (node.op_type != "Gemm" && node.op_type != "MatMul")
    return "no runtime has a kernel for such a " + node.op_type;
  if (weight.rank() != 2) return text("it has ", weight.rank(), " axes, not 2");
  if (node.op_type == "MatMul") return "";
  if (node.int_or("transB", 0)) return "it is transposed";
  if (node.int_or("transA", 0)) return "the other factor is transposed";
  if (node.float_or("alpha", 1) != 1 || node.float_or("beta", 1) != 1)
    return "alpha or beta is not 1";
  const Tensor* bias = graph.constant(node.input(2));
  const bool is_plain =
      node.input(2).empty() || (bias && bias->shape() == Shape{weight.shape()[1]});
  return is_plain ? "" : "the bias is no constant vector of the outputs";
}

std::string name_of_node(const Node& node) {
  return node.name.empty() ? node.outputs[0] : node.name;
}

// How a weight is stored, in words.
std::string storage_of(const QuantParams& params, const std::string& narrow_obstacle) {
  const double mean = params.mean_bits();
  const std::string bits =
      params.channels.empty() ? std::to_string(params.bits) : text(mean, " (on average)");
  const std::string scales = params.block_size         ? text("in groups of ", params.block_size)
                             : params.is_per_channel() ? "with a scale for each output channel"
                                                       : "with one scale";
  return text("weights of ", bits, " bits ", scales,
              narrow_obstacle.empty() ? "" : ", stored in int8: ", narrow_obstacle);
}

}  // namespace

void untranspose_gemms(Graph& graph) {
  const Links links(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    if (node.op_type != "Gemm" || !node.domain.empty() || !node.int_or("transB", 0)) continue;
    const Tensor* weight = graph.constant(node.input(1));
    const bool is_alone = links.only_consumer(node.inputs[1]) == static_cast<int>(i);
    if (!weight || weight->dtype() != DType::kFloat || weight->rank() != 2 || !is_alone) continue;
    graph.initializers.at(node.inputs[1]) = transposed(*weight);
    graph.value_types.erase(node.inputs[1]);
    node.attributes.erase("transB");
  }
}

std::map<std::string, std::string> float_weights(const Graph& graph, const Profile& profile,
                                                 const std::vector<bool>& is_integer) {
  std::map<std::string, std::string> result;
  std::set<std::string> others;  // that somebody reads in another way
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    others.insert(node.inputs.begin(), node.inputs.begin() + static_cast<int64_t>(std::min<size_t>(
                                                                 1, node.inputs.size())));
    for (size_t k = 2; k < node.inputs.size(); ++k) others.insert(node.inputs[k]);
    for (const std::string& name : node.captures()) others.insert(name);
    const std::string weight_name = node.input(1);
    const Tensor* weight = graph.constant(weight_name);
    if (!weight) continue;
    const bool is_float_layer = is_weighted(node) && node.domain.empty() && !is_integer[i];
    if (!is_float_layer || weight->dtype() != DType::kFloat || weight->rank() < 2) {
      others.insert(weight_name);
      continue;
    }
    std::string& reason = result[weight_name];
    if (reason.empty()) reason = obstacle(graph, node, *weight, profile);
  }
  for (const Value& output : graph.outputs) others.insert(output.name);
  std::erase_if(result, [&](const auto& entry) { return others.contains(entry.first); });
  return result;
}

std::vector<Node> by_max_and_min(const Node& activation, const std::string& zero,
                                 const std::string& between) {
  const std::string low = activation.op_type == "Relu" ? zero : activation.input(1),
                    high = activation.input(2);
  const std::string &input = activation.inputs[0], &output = activation.outputs[0];
  const bool has_both = !low.empty() && !high.empty();
  std::vector<Node> nodes;
  if (!low.empty())
    nodes.push_back({.name = between,
                     .op_type = "Max",
                     .inputs = {input, low},
                     .outputs = {has_both ? between : output}});
  if (!high.empty())
    nodes.push_back({.name = activation.name,
                     .op_type = "Min",
                     .inputs = {has_both ? between : input, high},
                     .outputs = {output}});
  return nodes.empty() ? std::vector{activation} : nodes;
}

void place_float_weights(const Graph& graph, const Profile& profile,
                         const std::set<std::string>& keep_float, Placement& placement) {
  auto weights = float_weights(graph, profile, placement.is_integer);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto found = weights.find(graph.nodes[i].input(1));
    if (found == weights.end() || keep_float.contains(found->first)) continue;
    const auto& [name, reason] = *found;
    placement.sites.push_back(
        {.name = name,
         .kind = SiteKind::kWeight,
         .node = static_cast<int>(i),
         .axis = output_channel_axis(graph.nodes[i], graph.initializers.at(name).rank()),
         .is_weight_only = true,
         .narrow_obstacle = reason});
    weights.erase(found);  // once, at its first reader
  }
}

std::vector<FloatOperator> float_operators_with_weights(const Graph& graph,
                                                        const Placement& placement,
                                                        const QuantizedSites& sites) {
  std::vector<FloatOperator> result = placement.float_operators;
  for (const Node& node : graph.nodes) {
    const Site* site =
        node.outputs.empty() ? nullptr : placement.find(node.input(1), SiteKind::kWeight);
    if (!site || !site->is_weight_only) continue;
    for (FloatOperator& op : result)
      if (op.node == name_of_node(node))
        op.reason = "float activations; " +
                    storage_of(sites.weights.at(site->name).params, site->narrow_obstacle);
  }
  return result;
}

CodeRange float_weight_codes(int bits, bool is_affine) {
  if (bits == 1) return {-1, 1};
  return bits == 8 && !is_affine ? CodeRange{-127, 127} : full_range(bits, true);
}

DType narrow_type(const QuantTensor& matrix) {
  auto [low, high] = matrix.params.range;
  for (int32_t zero_point : matrix.params.zero_points)
    low = std::min(low, zero_point), high = std::max(high, zero_point);
  if (low >= -2 && high <= 1 && matrix.shape.back() % 4 == 0) return DType::kInt2;
  return low >= -8 && high <= 7 ? DType::kInt4 : DType::kInt8;
}

}  // namespace halftone

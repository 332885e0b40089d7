#include "halftone/allocate/written_budget.h"

#include <algorithm>
#include <map>
#include <set>

#include "halftone/allocate/budget.h"
#include "halftone/export/compact.h"
#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"
#include "halftone/graph/moving.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/graph/subgraph.h"

namespace halftone {
namespace {

// What computes a weight from constants: each constant once.
class ConstantBytes {
 public:
  explicit ConstantBytes(const Graph& graph) : graph_(graph), links_(graph) {}

  int64_t count(const std::string& value) {
    if (value.empty() || !seen_.insert(value).second) return 0;
    if (const Tensor* constant = graph_.constant(value))
      return static_cast<int64_t>(constant->bytes().size());
    const int producer = links_.producer(value);
    if (producer < 0) return 0;
    const Node& node = graph_.nodes[static_cast<size_t>(producer)];
    // Scales of several weights lie in one constant that a Split takes apart evenly.
    if (node.op_type == "Split" && graph_.constant(node.inputs[0]))
      return static_cast<int64_t>(graph_.constant(node.inputs[0])->bytes().size() /
                                  node.outputs.size());
    // What unpacks codes (shifts, masks, shapes) is the graph's; the codes come first.
    const bool has_parts =
        node.op_type == "DequantizeLinear" || node.op_type == "Concat" || node.op_type == "Gather";
    int64_t bytes = 0;
    for (size_t i = 0; i < (has_parts ? node.inputs.size() : 1); ++i)
      bytes += count(node.inputs[i]);
    return bytes;
  }

 private:
  const Graph& graph_;
  const Links links_;
  std::set<std::string> seen_;
};

bool is_quantized(const Model& model) {
  return std::ranges::any_of(model.graph.nodes,
                             [](const Node& node) { return node.op_type == "DequantizeLinear"; });
}

double mean_of(const std::vector<std::pair<double, double>>& bits_and_elements) {
  double bits = 0, elements = 0;
  for (const auto& [width, count] : bits_and_elements) bits += width * count, elements += count;
  return elements > 0 ? bits / elements : 0;
}

// Bits of activations as if nothing were separated: a skip does not count, and what is moved from
// it at its scale counts by what the layer reads.
std::map<std::string, int> read_bits(const Dequantized& parts) {
  const Graph& graph = parts.model.graph;
  const auto& activations = parts.sites.activations;
  const Links links(graph);
  const auto origin = [&](std::string name) {
    const QuantParams& own = activations.at(name);
    for (int maker = links.producer(name); maker >= 0; maker = links.producer(name)) {
      const Node& node = graph.nodes[static_cast<size_t>(maker)];
      if (!moves_or_pads(node)) break;
      const auto from = activations.find(node.inputs[0]);
      const bool is_shared = from != activations.end() && from->second.scales == own.scales &&
                             from->second.zero_points == own.zero_points;
      if (!is_shared) break;
      name = from->first;
    }
    return name;
  };
  std::map<std::string, int> of_skip;
  for (const std::string& value : separated_skips(graph))
    if (const auto read = activations.find(value); read != activations.end())
      of_skip[skip_name(value)] = read->second.bits;
  std::map<std::string, int> bits;
  for (const auto& [name, params] : activations) {
    if (of_skip.contains(name)) continue;
    const auto read = of_skip.find(origin(name));
    bits[name] = read == of_skip.end() ? params.bits : read->second;
  }
  return bits;
}

// By the widths of the sites, not by what stands in the graph: an operator that only moves codes
// has no Clip that would tell the width of its output.
uint64_t bops_of(const Dequantized& parts) {
  const Graph& graph = parts.model.graph;
  std::map<std::string, int> input_bits;  // by layer
  for (const Node& node : graph.nodes)
    for (const std::string& input : node.inputs)
      if (const auto site = parts.sites.activations.find(input);
          site != parts.sites.activations.end())
        input_bits.emplace(node.name.empty() ? node.outputs.at(0) : node.name, site->second.bits);
  uint64_t bops = 0;
  for (LayerCost layer : cost_of(graph).layers) {
    const auto weight = parts.sites.weights.find(layer.weight);
    if (weight != parts.sites.weights.end()) layer.weight_bits = weight->second.params.mean_bits();
    if (const auto input = input_bits.find(layer.name); input != input_bits.end())
      layer.activation_bits = input->second;
    bops += layer.bops();
  }
  return bops;
}

}  // namespace

int64_t weight_bytes_of(const Model& model) {
  const Model packed = is_quantized(model) ? pack(model) : model;
  const auto fed = fed_values(packed.graph);
  ConstantBytes bytes(packed.graph);
  int64_t total = 0;
  for (const Node& node : packed.graph.nodes)
    if (is_weighted(node) && !fed.contains(node.input(1))) total += bytes.count(node.input(1));
  return total;
}

void require_within_budget(const Model& written, const Budget& budget, const std::string& source) {
  if (budget.is_empty()) return;
  auto require = [&](const char* what, double used, double limit, const char* unit) {
    if (used > limit * kMeanRounding)
      throw Error(source, " promises ", what, " of at most ", limit, unit,
                  ", and the quantized file would have ", used, unit,
                  "; allocate again with the options of this command, or leave the budget out");
  };
  if (budget.weight_bytes)
    require("weights", static_cast<double>(weight_bytes_of(written)),
            static_cast<double>(*budget.weight_bytes), " bytes");
  const Model prepared = prepare(written);
  const Dequantized parts = dequantize(prepared);
  auto is_counted = [&](const std::string& site) { return !budget.outside_average.contains(site); };
  std::vector<std::pair<double, double>> weights, activations;
  for (const auto& [name, weight] : parts.sites.weights)
    if (is_counted(name))
      weights.emplace_back(weight.params.mean_bits(), static_cast<double>(weight.codes.size()));
  for (const auto& [name, bits] : read_bits(parts))
    if (is_counted(name))
      activations.emplace_back(bits, static_cast<double>(sample_elements(parts.model.graph, name)));
  if (budget.average_weight_bits)
    require("average weight bits", mean_of(weights), *budget.average_weight_bits, "");
  if (budget.average_activation_bits)
    require("average activation bits", mean_of(activations), *budget.average_activation_bits, "");
  if (budget.bops)
    require("BOPs", static_cast<double>(bops_of(parts)), static_cast<double>(*budget.bops), "");
}

}  // namespace halftone

#include "halftone/export/stored_sites.h"

#include <nlohmann/json.hpp>
#include <set>

#include "halftone/graph/cost.h"

namespace halftone {
namespace {

using nlohmann::json;

const std::set<std::string> kQuantizedOps = {"QuantizeLinear",  "DequantizeLinear", "QLinearConv",  "QLinearMatMul",
                                             "ConvInteger",     "MatMulInteger",    "DynamicQuantizeLinear"};

json metadata_sites(const Model& model) {
  const std::string* record = model.find_metadata("halftone.sites");
  if (!record) return json::object();
  json sites = json::parse(*record, nullptr, false);
  return sites.is_object() ? sites : json::object();
}

int told_bits(const json& entry) {
  const auto found = entry.is_object() ? entry.find("bits") : entry.end();
  return entry.is_object() && found != entry.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::vector<int> told_channel_bits(const json& entry) {
  const auto found = entry.find("channel_bits");
  std::vector<int> bits;
  if (found != entry.end() && found->is_array())
    for (const json& value : *found)
      if (value.is_number_integer()) bits.push_back(value.get<int>());
  return bits;
}

// Width of what a Q writes: of the Clip behind it, else of its type.
int clip_width(const Graph& graph, const std::string& codes) {
  for (const Node& node : graph.nodes)
    if (node.input(0) == codes)
      if (const int bits = clipped_width(graph, node)) return bits;
  return 0;
}

}  // namespace

bool is_quantized_model(const Model& model) {
  for (const Node& node : model.graph.nodes)
    if (node.domain.empty() && kQuantizedOps.contains(node.op_type)) return true;
  return false;
}

std::map<std::string, StoredSite> stored_sites(const Model& model) {
  std::map<std::string, StoredSite> sites;
  const json told = metadata_sites(model);
  for (const auto& [name, entry] : told.items())
    if (told_bits(entry) > 0) sites[name] = {entry.value("kind", "weight"), told_bits(entry), false, told_channel_bits(entry)};
  if (!sites.empty()) return sites;
  const Graph& graph = model.graph;
  for (const Node& node : graph.nodes) {
    if (node.op_type == "QuantizeLinear" && !node.outputs.empty()) {
      const int clipped = clip_width(graph, node.outputs[0]);
      const Tensor* zero_point = graph.constant(node.input(2));
      const int container = zero_point ? bits_of(zero_point->dtype()) : 8;
      sites[node.input(0)] = {"activation", clipped ? clipped : container};
    } else if (node.op_type == "DequantizeLinear") {
      const Tensor* codes = graph.constant(node.input(0));
      if (codes && codes->dtype() != DType::kInt32)
        sites[node.input(0)] = {"weight", stored_width(*codes), bits_of(codes->dtype()) >= 8};
    }
  }
  return sites;
}

std::map<std::string, int> stored_site_bits(const Model& model) {
  std::map<std::string, int> bits;
  const json told = metadata_sites(model);
  for (const auto& [name, entry] : told.items())
    if (told_bits(entry) > 0) bits[name + "_quantized"] = told_bits(entry);
  return bits;
}

}  // namespace halftone

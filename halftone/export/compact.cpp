#include "halftone/export/compact.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "halftone/export/packed_weight.h"
#include "halftone/export/short_names.h"
#include "halftone/export/site_records.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/graph/subgraph.h"
#include "halftone/onnx/versions.h"

namespace halftone {
namespace {

constexpr const char* kOpsetKey = "halftone.unpacked_opset";

bool is_dequantized_constant(const Graph& graph, const Node& node, DType dtype) {
  if (node.op_type != "DequantizeLinear" || !node.domain.empty()) return false;
  const Tensor* codes = graph.constant(node.input(0));
  return codes && codes->dtype() == dtype;
}

// Our files name the codes of a weight after the weight.
std::string site_name(const std::string& codes) {
  constexpr std::string_view kSuffix = "_quantized";
  return codes.ends_with(kSuffix) ? codes.substr(0, codes.size() - kSuffix.size()) : codes;
}

// What the form itself tells of the sites: integer Clips and the codes of weights.
SiteRecords records_by_form(const Graph& graph) {
  const Links links(graph);
  SiteRecords records;
  for (const Node& node : graph.nodes) {
    if (node.op_type == "QuantizeLinear") {
      const int reader = links.only_consumer(node.outputs[0]);
      const int clipped =
          reader < 0 ? 0 : clipped_width(graph, graph.nodes[static_cast<size_t>(reader)]);
      records[node.input(0)] = {.kind = "activation", .bits = clipped ? clipped : 8};
    } else if (is_dequantized_constant(graph, node, DType::kInt8)) {
      const bool is_per_channel =
          graph.constant(node.input(1)) && graph.constant(node.input(1))->count() > 1;
      records[site_name(node.input(0))] = {
          .kind = "weight",
          .bits = stored_width(*graph.constant(node.input(0))),
          .axis = is_per_channel ? static_cast<int>(node.int_or("axis", 1)) : -1,
          .channel_bits = {},
          .block_size = static_cast<int>(node.int_or("block_size", 0))};
    }
  }
  return records;
}

// What of the record the form does not tell: widths of single channels, and of weights in a type
// below 8 bits.
SiteRecords records_untold_by_form(const Graph& graph, SiteRecords records) {
  std::erase_if(records, [&](const auto& entry) {
    const Tensor* codes = graph.constant(entry.first + "_quantized");
    return entry.second.channel_bits.empty() && (!codes || codes->dtype() == DType::kInt8);
  });
  return records;
}

// One width for all channels, or one for each along `axis` where they differ.
// What the record says counts only where the codes fit.
std::vector<int> widths_of(const Tensor& codes, const SiteRecord* told, int axis) {
  const int least = stored_width(codes);
  if (!told) return {least};
  const bool has_channels =
      axis >= 0 && axis < codes.rank() && told->channel_bits.size() > 1 &&
      static_cast<int64_t>(told->channel_bits.size()) == codes.shape()[static_cast<size_t>(axis)];
  if (has_channels && std::ranges::max(told->channel_bits) <= 8) return told->channel_bits;
  // Binary codes are no two's complement: a told width of 1 holds them, and no other.
  return {told->bits <= 8 && told->bits >= least && (told->bits > 1 || least == 1) ? told->bits
                                                                                   : least};
}

// Values that subgraphs read by name.
std::set<std::string> captured_values(const Graph& graph) {
  std::set<std::string> captured;
  for (const Node& node : graph.nodes)
    for (const std::string& name : node.captures()) captured.insert(name);
  return captured;
}

void pack_weights(Model& model, const SiteRecords& told, int64_t& opset) {
  Graph& graph = model.graph;
  const auto captured = captured_values(graph);
  std::set<std::string> done;
  std::vector<Node> old = std::move(graph.nodes);
  graph.nodes.clear();
  for (Node& node : old) {
    const std::string name = node.input(0);
    if (is_dequantized_constant(graph, node, DType::kInt8) && done.insert(name).second) {
      const Tensor codes = graph.initializers.at(name);
      const auto found = told.find(site_name(name));
      const int axis = node.inputs.size() > 1 && graph.constant(node.inputs[1]) &&
                               graph.constant(node.inputs[1])->count() > 1
                           ? static_cast<int>(node.int_or("axis", 1))
                           : -1;
      const auto widths = widths_of(codes, found == told.end() ? nullptr : &found->second, axis);
      const auto stored =
          storage_widths(widths, codes.count() / static_cast<int64_t>(widths.size()));
      if (!captured.contains(name) && std::ranges::min(stored) < 8) {
        graph.initializers.erase(name);
        add_packed_weight(graph, name, codes, stored, axis, opset);
        graph.nodes.back().outputs[0] =
            name;  // the codes keep their name: folding gives the initializer back
      }
    }
    graph.nodes.push_back(std::move(node));
  }
}

// The constant `all` widened to `wide` (kUndefined: as it is) and taken apart evenly into `names`.
std::vector<Node> taken_apart(const Graph& graph, std::string all, DType wide,
                              const std::vector<std::string>& names) {
  std::vector<Node> nodes;
  if (wide != DType::kUndefined) {
    const std::string widened = names.size() == 1 ? names[0] : graph.unique_name(all + "_wide");
    nodes.push_back({.op_type = "Cast",
                     .inputs = {all},
                     .outputs = {widened},
                     .attributes = {{"to", static_cast<int64_t>(wide)}}});
    all = widened;
  }
  if (names.size() > 1)
    nodes.push_back({.op_type = "Split",
                     .inputs = {all},
                     .outputs = names,
                     .attributes = {{"num_outputs", static_cast<int64_t>(names.size())}}});
  return nodes;
}

// Weights of one shape in a type of 4 or 2 bits as one constant, which one Cast widens and a Split
// takes apart.
void merge_weights(Graph& graph) {
  constexpr size_t kFewest = 3;  // of fewer the Split takes what it saves
  const Links links(graph);
  std::map<std::pair<DType, Shape>, std::vector<Node>> groups;  // the Casts
  for (const Node& node : graph.nodes) {
    const bool widens = node.op_type == "Cast" && node.domain.empty() &&
                        node.int_or("to", 0) == static_cast<int64_t>(DType::kInt8);
    const Tensor* codes = widens ? graph.constant(node.input(0)) : nullptr;
    if (!codes || bits_of(codes->dtype()) > 4 || codes->rank() < 2 ||
        links.only_consumer(node.inputs[0]) < 0)
      continue;
    const bool fills_bytes = codes->count() * bits_of(codes->dtype()) % 8 == 0;
    if (fills_bytes) groups[{codes->dtype(), codes->shape()}].push_back(node);
  }
  std::vector<Node> nodes;
  std::set<std::string> merged;  // what those Casts made
  for (const auto& [key, casts] : groups) {
    if (casts.size() < kFewest) continue;
    auto [dtype, shape] = key;
    std::vector<std::byte> bytes;
    std::vector<std::string> names;
    for (const Node& cast : casts) {
      const auto codes = graph.initializers.extract(cast.inputs[0]);
      const auto stored = codes.mapped().bytes();
      bytes.insert(bytes.end(), stored.begin(), stored.end());
      names.push_back(cast.outputs[0]);
    }
    merged.insert(names.begin(), names.end());
    shape[0] *= static_cast<int64_t>(names.size());
    const std::string all = graph.unique_name(text("halftone_weights_", nodes.size()));
    graph.initializers[all] = Tensor::from_bytes(dtype, shape, std::move(bytes));
    std::ranges::move(taken_apart(graph, all, DType::kInt8, names), std::back_inserter(nodes));
  }
  std::erase_if(graph.nodes, [&](const Node& node) {
    return node.op_type == "Cast" && merged.contains(node.outputs[0]);
  });
  graph.nodes.insert(graph.nodes.begin(), std::make_move_iterator(nodes.begin()),
                     std::make_move_iterator(nodes.end()));
}

// A Relu before a Q whose codes begin at 0 does what the Q does; dequantize() knows it back.
void drop_relus(Graph& graph) {
  const Links links(graph);
  const auto captured = captured_values(graph);
  std::set<std::string> gone;  // what those Relus made
  for (const Node& relu : graph.nodes) {
    if (relu.op_type != "Relu" || !relu.domain.empty() || captured.contains(relu.outputs[0]) ||
        captured.contains(relu.inputs[0]))
      continue;
    const int maker = links.producer(relu.inputs[0]), reader = links.only_consumer(relu.outputs[0]);
    if (maker < 0 || reader < 0 || links.only_consumer(relu.inputs[0]) < 0) continue;
    Node& computing = graph.nodes[static_cast<size_t>(maker)];
    const Node& quantizer = graph.nodes[static_cast<size_t>(reader)];
    const bool is_known = is_weighted(computing) || computing.op_type == "Add";
    const Tensor* zero_point = graph.constant(quantizer.input(2));
    if (!is_known || quantizer.op_type != "QuantizeLinear" || !zero_point ||
        zero_point->dtype() != DType::kUint8 || zero_point->count() != 1 ||
        zero_point->item<int32_t>() != 0)
      continue;
    computing.outputs[0] = relu.outputs[0];
    gone.insert(relu.outputs[0]);
  }
  std::erase_if(graph.nodes, [&](const Node& node) {
    return node.op_type == "Relu" && gone.contains(node.outputs[0]);
  });
}

// Scales of biases as the product that they are: Mul(s_x, s_w) in float32, folded when the file is
// loaded.
void compute_bias_scales(Graph& graph) {
  const Links links(graph);
  std::vector<Node> products(graph.nodes.size());
  for (const Node& node : graph.nodes) {
    if (node.inputs.size() < 3) continue;
    const int input = links.producer(node.inputs[0]), weight = links.producer(node.inputs[1]),
              bias = links.producer(node.inputs[2]);
    if (input < 0 || weight < 0 || bias < 0 || links.only_consumer(node.inputs[2]) < 0) continue;
    Node& bias_dq = graph.nodes[static_cast<size_t>(bias)];
    if (!is_dequantized_constant(graph, bias_dq, DType::kInt32)) continue;
    const std::string& input_scale = graph.nodes[static_cast<size_t>(input)].input(1);
    const std::string& weight_scale = graph.nodes[static_cast<size_t>(weight)].input(1);
    const Tensor *x = graph.constant(input_scale), *w = graph.constant(weight_scale),
                 *b = graph.constant(bias_dq.input(1));
    if (!x || !w || !b || x->count() != 1 || w->count() != b->count() ||
        b->dtype() != DType::kFloat || b->count() < 4)
      continue;
    const auto scales = b->to_vector<float>(), factors = w->to_vector<float>();
    const auto factor = x->item<float>();
    bool is_product = true;
    for (size_t i = 0; i < scales.size(); ++i)
      is_product = is_product && scales[i] == factor * factors[i];
    if (!is_product) continue;
    const std::string name = bias_dq.inputs[1];
    if (links.only_consumer(name) != bias) continue;
    products[static_cast<size_t>(bias)] = {
        .op_type = "Mul", .inputs = {input_scale, weight_scale}, .outputs = {name}};
  }
  std::vector<Node> nodes;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!products[i].op_type.empty()) {
      graph.initializers.erase(products[i].outputs[0]);
      nodes.push_back(std::move(products[i]));
    }
    nodes.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(nodes);
}

// The narrowest of int8, int16 and int32 that holds the codes.
DType narrowest(const std::vector<int32_t>& codes) {
  const auto [low, high] = std::ranges::minmax(codes);
  if (low >= -128 && high <= 127) return DType::kInt8;
  return low >= -32768 && high <= 32767 ? DType::kInt16 : DType::kInt32;
}

// Vectors of one length and type as one constant that a Split takes apart: biases in the fewest
// bytes that hold them, scales of weights.
void merge_vectors(Graph& graph) {
  const auto captured = captured_values(graph);
  std::map<std::pair<DType, int64_t>, std::vector<std::string>> groups;
  std::set<std::string> seen;
  for (const Node& node : graph.nodes) {
    if (node.op_type != "DequantizeLinear" || !node.domain.empty()) continue;
    for (const std::string& name : {node.input(0), node.input(1)}) {
      const Tensor* tensor = graph.constant(name);
      if (!tensor || tensor->rank() != 1 || tensor->count() < 4 || graph.is_output(name) ||
          captured.contains(name) || !seen.insert(name).second)
        continue;
      if (tensor->dtype() == DType::kInt32)
        groups[{narrowest(tensor->to_vector<int32_t>()), tensor->count()}].push_back(name);
      else if (tensor->dtype() == DType::kFloat)
        groups[{DType::kFloat, tensor->count()}].push_back(name);
    }
  }
  std::vector<Node> nodes;
  for (const auto& [key, names] : groups) {
    const auto& [dtype, length] = key;
    const bool is_narrowed = dtype == DType::kInt8 || dtype == DType::kInt16;
    if (names.size() < 2 && !(is_narrowed && length >= 16)) continue;
    std::vector<double> values;
    for (const std::string& name : names) {
      const auto part = graph.initializers.at(name).to_vector<double>();
      values.insert(values.end(), part.begin(), part.end());
      graph.initializers.erase(name);
    }
    const std::string all =
        graph.unique_name(text("halftone_vectors_", name_of(dtype), "_", length));
    graph.initializers[all] =
        Tensor::from_doubles(dtype, {static_cast<int64_t>(values.size())}, values);
    const DType wide = is_narrowed ? DType::kInt32 : DType::kUndefined;
    std::ranges::move(taken_apart(graph, all, wide, names), std::back_inserter(nodes));
  }
  nodes.insert(nodes.end(), std::make_move_iterator(graph.nodes.begin()),
               std::make_move_iterator(graph.nodes.end()));
  graph.nodes = std::move(nodes);
}

void redirect(Graph& graph, const std::map<std::string, std::string>& instead) {
  for (Node& node : graph.nodes)
    for (std::string& input : node.inputs)
      if (const auto found = instead.find(input); found != instead.end()) input = found->second;
}

// Equal constants once.
void share_constants(Graph& graph) {
  const auto captured = captured_values(graph);
  std::map<std::tuple<DType, Shape, std::string>, std::string> first;
  std::map<std::string, std::string> instead;
  for (const auto& [name, tensor] : graph.initializers) {
    if (graph.is_input(name) || graph.is_output(name) || captured.contains(name) ||
        tensor.dtype() == DType::kString)
      continue;
    const auto bytes = tensor.bytes();
    const std::string content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto [found, is_new] = first.try_emplace({tensor.dtype(), tensor.shape(), content}, name);
    if (!is_new) instead[name] = found->second;
  }
  redirect(graph, instead);
  for (const auto& [name, other] : instead) graph.initializers.erase(name);
}

// One DequantizeLinear for all readers of the same codes; runtimes split it themselves.
void share_dequantizers(Graph& graph) {
  const auto captured = captured_values(graph);
  std::map<std::vector<std::string>, std::string> first;
  std::map<std::string, std::string> instead;
  std::erase_if(graph.nodes, [&](const Node& node) {
    if (node.op_type != "DequantizeLinear" || graph.is_output(node.outputs[0]) ||
        captured.contains(node.outputs[0]))
      return false;
    std::vector<std::string> key = node.inputs;
    key.push_back(text(node.int_or("axis", 1), " ", node.int_or("block_size", 0)));
    const auto [found, is_new] = first.try_emplace(key, node.outputs[0]);
    if (!is_new) instead[node.outputs[0]] = found->second;
    return !is_new;
  });
  redirect(graph, instead);
}

// Attributes of a Conv that say what is so without them.
void drop_default_attributes(Graph& graph) {
  auto is_all = [](const Node& node, const char* name, int64_t value) {
    const auto values = node.ints_or(name, {});
    return std::ranges::all_of(values, [&](int64_t v) { return v == value; });
  };
  for (Node& node : graph.nodes) {
    if (node.op_type != "Conv" || !node.domain.empty()) continue;
    node.attributes.erase("kernel_shape");  // the weight's
    for (const char* name : {"dilations", "strides"})
      if (is_all(node, name, 1)) node.attributes.erase(name);
    if (is_all(node, "pads", 0)) node.attributes.erase("pads");
    if (node.int_or("group", 1) == 1) node.attributes.erase("group");
    if (node.string_or("auto_pad", "NOTSET") == "NOTSET") node.attributes.erase("auto_pad");
  }
}

// The zero points of a Conv's weight, all 0, which is what is meant without them. onnxruntime wants
// them before a Gemm.
void drop_zero_points(Graph& graph) {
  const Links links(graph);
  for (Node& node : graph.nodes) {
    if (node.op_type != "DequantizeLinear" || node.inputs.size() < 3) continue;
    const Tensor* zero_point = graph.constant(node.inputs[2]);
    if (!zero_point || zero_point->dtype() != DType::kInt8 || zero_point->rank() != 1) continue;
    const bool is_zero =
        std::ranges::all_of(zero_point->to_vector<int32_t>(), [](int32_t z) { return z == 0; });
    const bool is_conv = std::ranges::all_of(links.consumers(node.outputs[0]), [&](int i) {
      return graph.nodes[static_cast<size_t>(i)].op_type == "Conv";
    });
    if (is_zero && is_conv) node.inputs.pop_back();
  }
}

// The names of sites: plans and reports speak of them. A bias has no zero point.
std::set<std::string> names_to_keep(const Graph& graph) {
  const auto fed = fed_values(graph);
  std::set<std::string> kept;
  for (const Node& node : graph.nodes) {
    if (node.op_type == "QuantizeLinear") kept.insert(node.input(0));
    const bool is_weight = node.op_type == "DequantizeLinear" && node.inputs.size() > 2 &&
                           !fed.contains(node.input(0));
    if (is_weight) kept.insert(node.input(0));
  }
  return kept;
}

}  // namespace

Model pack(const Model& source) {
  const bool is_quantized = std::ranges::any_of(
      source.graph.nodes, [](const Node& node) { return node.op_type == "DequantizeLinear"; });
  if (!is_quantized)
    throw Error(
        "pack needs a quantized model, and this one holds no DequantizeLinear: run halftone "
        "quantize first");
  Model model = unpack(source);
  Graph& graph = model.graph;
  int64_t opset = model.opset();
  model.set_metadata(kOpsetKey, std::to_string(opset));
  const SiteRecords told = read_site_records(model), untold = records_untold_by_form(graph, told);
  pack_weights(model, told, opset);
  merge_weights(graph);
  drop_relus(graph);
  compute_bias_scales(graph);
  merge_vectors(graph);
  opset = std::max<int64_t>(opset, 18);  // Split by the number of its outputs
  share_constants(graph);
  share_dequantizers(graph);
  drop_default_attributes(graph);
  const auto kept = names_to_keep(graph);
  drop_zero_points(graph);
  remove_dead_code(graph);
  graph.value_types.clear();
  shorten_names(model, kept);
  require_versions(model, opset);
  write_site_records(model, untold);
  model.set_metadata("halftone.target", "compact");
  return model;
}

Model unpack(const Model& source) {
  if (!source.find_metadata(kOpsetKey)) return source;
  Model model = source;
  fold_constants(model.graph);
  remove_dead_code(model.graph);
  restore_names(model);
  model.graph.value_types.clear();
  const int64_t opset = std::atoll(model.find_metadata(kOpsetKey)->c_str());
  if (opset >= 13 && opset <= model.opset()) {
    model.opsets[""] = opset;
    model.ir_version = ir_version_of(opset);
  }
  std::erase_if(model.metadata, [](const auto& entry) { return entry.first == kOpsetKey; });
  model.set_metadata("halftone.target", "onnxruntime");
  SiteRecords records = read_site_records(model);
  records.merge(records_by_form(model.graph));
  write_site_records(model, records);
  return model;
}

}  // namespace halftone

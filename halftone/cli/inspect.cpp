#include <algorithm>
#include <cmath>
#include <iostream>

#include "halftone/base/units.h"
#include "halftone/cli/float_operators.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/inspect_view.h"
#include "halftone/cli/native.h"
#include "halftone/cli/verb.h"
#include "halftone/export/dequantize.h"
#include "halftone/export/placement.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/onnx/reader.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  std::string target = "onnxruntime";
  bool lists_sites = false;
  std::vector<std::function<void(const Model&, const std::string&, Session&)>> views = {};
};

// A whole number where it is one: channels of several widths have an average.
nlohmann::ordered_json bits_json(double bits) {
  return bits == std::floor(bits) ? nlohmann::ordered_json(static_cast<int>(bits))
                                  : nlohmann::ordered_json(bits);
}

std::string bits_text(double bits) {
  return bits == std::floor(bits) ? fixed(bits, 0) : fixed(bits, 2);
}

nlohmann::ordered_json layers_json(const Cost& cost) {
  auto layers = nlohmann::ordered_json::array();
  for (const LayerCost& layer : cost.layers)
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"parameters", layer.parameters},
                      {"macs", layer.macs},
                      {"weight_bits", bits_json(layer.weight_bits)},
                      {"activation_bits", layer.activation_bits},
                      {"bops", layer.bops()}});
  return layers;
}

std::string operators_line(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const Node& node : graph.nodes) ++counts[node.op_type];
  std::string line;
  for (const auto& [op, count] : counts) line += (line.empty() ? "" : ", ") + text(count, " ", op);
  return line;
}

void print_layers(const Cost& cost) {
  Table table({"layer", "op", "parameters", "MACs", "weight bits", "activation bits"});
  for (const LayerCost& layer : cost.layers)
    table.add({layer.name, layer.op, format_count(layer.parameters), format_count(layer.macs),
               layer.weight_bits > 0 ? bits_text(layer.weight_bits) : "",
               layer.activation_bits ? std::to_string(layer.activation_bits) : ""});
  std::cout << table.text();
}

// What carries Q and DQ, and what would where the model is quantized for the target.
void show_sites(const Options& options, const Dequantized& parts, Quantization quantization,
                nlohmann::ordered_json& facts) {
  auto& sites = facts["sites"] = nlohmann::ordered_json::array();
  auto add = [&](const std::string& name, const std::string& kind, int bits) {
    const bool is_inferred = parts.inferred.contains(name);
    sites.push_back({{"site", name}, {"kind", kind}, {"bits", bits}, {"inferred", is_inferred}});
    const auto weight = parts.sites.weights.find(name);
    const QuantParams params =
        weight == parts.sites.weights.end() ? QuantParams{} : weight->second.params;
    for (const Width& channel : params.channels)
      sites.back()["channel_bits"].push_back(channel.bits);
    if (weight != parts.sites.weights.end()) sites.back()["group"] = params.block_size;
    if (!options.lists_sites) return;
    const double mean = params.channels.empty() ? bits : params.mean_bits();
    const std::string width =
        bits == 32 ? ""
                   : text("  ", bits_text(mean), " bits", is_inferred ? " (inferred)" : "",
                          params.channels.empty() ? "" : " on average, by channel",
                          params.block_size ? text(" in groups of ", params.block_size) : "");
    std::cout << "  " << kind << "  " << name << width << "\n";
  };
  const size_t present = parts.sites.activations.size() + parts.sites.weights.size();
  if (quantization != Quantization::kFloat) std::cout << present << " quantized sites\n";
  for (const auto& [name, params] : parts.sites.activations) add(name, "activation", params.bits);
  for (const auto& [name, weight] : parts.sites.weights) add(name, "weight", weight.params.bits);

  const auto& profile = Registry<Profile>::get(options.target);
  if (quantization == Quantization::kFully) {
    const auto floats = float_operators_of(parts, profile);
    fill_float_operators(floats, facts);
    print_float_operators(floats, "stays in float");
    return;
  }
  const Placement placement = place(parts.model.graph, profile, parts.float_sites());
  const auto is_new = [&](const Site& site) { return !parts.sites.contains(site.name); };
  std::cout << std::ranges::count_if(placement.sites, is_new) << " sites for " << profile.name
            << "\n";
  for (const Site& site : placement.sites)
    if (is_new(site)) add(site.name, to_string(site.kind), 32);
  auto& skips = facts["skips"] = nlohmann::ordered_json::array();
  for (const std::string& value : separable_skips(parts.model.graph, placement, profile)) {
    skips.push_back(skip_name(value));
    if (options.lists_sites)
      std::cout << "  activation  " << skip_name(value) << "  (what an Add reads of '" << value
                << "' where a layer reads fewer bits)\n";
  }
  fill_float_operators(placement.float_operators, facts);
  print_float_operators(placement.float_operators, "would stay in float");
}

// What the native runtime makes of the file: the kernel of every layer and why, and what computes
// in float.
void show_native(const Model& model, nlohmann::ordered_json& facts) {
  const runtime::Program program = runtime::load_program(model);
  // Not filled in place: a second key moves the first.
  auto floats = nlohmann::ordered_json::array(), layers = nlohmann::ordered_json::array();
  Table table({"native layer", "op", "kernel", "why"});
  for (const auto& layer : program.layers) {
    table.add({layer->name, layer->op, layer->kernel, layer->reason});
    layers.push_back({{"name", layer->name},
                      {"op", layer->op},
                      {"kernel", layer->kernel},
                      {"reason", layer->reason}});
    if (layer->is_float)
      floats.push_back({{"node", layer->name}, {"op", layer->op}, {"reason", layer->reason}});
  }
  const size_t float_count = floats.size();
  facts["float_operators"] = std::move(floats);
  facts["native_layers"] = std::move(layers);
  facts["arena_bytes"] = program.arena_bytes;
  facts["weight_bytes"] = program.weight_bytes;
  std::cout << table.text() << "stays in float: " << float_count << " operators; values in "
            << format_bytes(program.arena_bytes) << ", packed weights "
            << format_bytes(program.weight_bytes) << "\n";
}

void run_inspect(const Options& options, Session& session) {
  if (options.target != "native") Registry<Profile>::get(options.target);
  session.begin(options.model);
  const Model read = read_model(options.model);
  const Model model = prepare(read);
  const Dequantized parts = dequantize(model);
  const Quantization quantization = parts.quantization();
  const Cost cost = cost_of(model.graph, parts.stored_bits);
  const auto blocks = partition_blocks(model.graph);

  auto& facts = session.facts();
  facts["opset"] = read.opset();
  facts["quantized"] = quantization != Quantization::kFloat;
  facts["quantization"] = to_string(quantization);
  facts["parameters"] = cost.parameters;
  facts["macs"] = cost.macs;
  const uint64_t stored_bytes = cost_of(read.graph).stored_bytes;  // of the file, packed or not
  facts["stored_bytes"] = stored_bytes;
  facts["ideal_bytes"] = cost.ideal_bytes;
  facts["layers"] = layers_json(cost);
  auto& block_facts = facts["blocks"] = nlohmann::ordered_json::array();
  for (const Block& block : blocks)
    block_facts.push_back({{"name", block.name},
                           {"input", block.input},
                           {"output", block.output},
                           {"nodes", block.nodes.size()}});

  std::cout << options.model << ": opset " << read.opset() << ", " << read.graph.nodes.size()
            << " operators (" << model.graph.nodes.size() << " when folded), "
            << to_string(quantization) << "\n"
            << "  " << operators_line(model.graph) << "\n";
  for (const Value& input : model.graph.fed_inputs())
    std::cout << "  input  " << input.name << " " << name_of(input.type.dtype) << " "
              << (input.type.shape ? to_string(*input.type.shape) : "[?]") << "\n";
  for (const Value& output : model.graph.outputs)
    std::cout << "  output " << output.name << " " << name_of(output.type.dtype) << " "
              << (output.type.shape ? to_string(*output.type.shape) : "[?]") << "\n";
  print_layers(cost);
  std::cout << "parameters " << format_count(cost.parameters) << ", MACs "
            << format_count(cost.macs) << ", stored " << format_bytes(stored_bytes)
            << ", ideal at these bits " << format_bytes(cost.ideal_bytes) << ", " << blocks.size()
            << " blocks\n";

  if (options.target == "native")
    show_native(read, facts);
  else
    show_sites(options, parts, quantization, facts);
  for (const auto& view : options.views) view(read, options.target, session);
  session.finish();
}

std::function<void()> inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  app.add_option("--target", options->target,
                 "Runtime that the quantized file is for: onnxruntime, openvino, tensorrt, "
                 "compact; native: this tool's own, layer by layer")
      ->capture_default_str();
  app.add_flag("--sites", options->lists_sites,
               "List the names of the sites, which --fix and plans use");
  for (const auto& [name, view] : Registry<InspectView>::all())
    options->views.push_back(view.setup(app));
  auto session = std::make_shared<Session>(app);
  set_example(app, "halftone inspect resnet20.onnx --sites --json facts.json");
  return [=] { run_inspect(*options, *session); };
}

HALFTONE_REGISTER(Verb, "inspect",
                  "Shows a model's layers, costs, blocks and sites, and what would stay in float",
                  inspect);

}  // namespace
}  // namespace halftone::cli

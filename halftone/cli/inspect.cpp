#include <iostream>

#include "halftone/base/units.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/verb.h"
#include "halftone/export/placement.h"
#include "halftone/export/prepare.h"
#include "halftone/export/stored_sites.h"
#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/onnx/reader.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  std::string target = "onnxruntime";
  bool lists_sites = false;
};

nlohmann::ordered_json layers_json(const Cost& cost) {
  auto layers = nlohmann::ordered_json::array();
  for (const LayerCost& layer : cost.layers)
    layers.push_back({{"name", layer.name}, {"op", layer.op}, {"parameters", layer.parameters}, {"macs", layer.macs},
                      {"weight_bits", layer.weight_bits}, {"activation_bits", layer.activation_bits},
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
               layer.weight_bits ? std::to_string(layer.weight_bits) : "",
               layer.activation_bits ? std::to_string(layer.activation_bits) : ""});
  std::cout << table.text();
}

void run_inspect(const Options& options, Session& session) {
  session.begin(options.model);
  const Model read = read_model(options.model);
  Model model = read;
  const bool is_quantized = is_quantized_model(model);
  if (is_quantized) {
    canonicalize(model.graph);
  } else {
    model = prepare(model);
  }
  const Cost cost = cost_of(model.graph, stored_site_bits(model));
  const auto blocks = partition_blocks(model.graph);

  auto& facts = session.facts();
  facts["opset"] = read.opset();
  facts["quantized"] = is_quantized;
  facts["parameters"] = cost.parameters;
  facts["macs"] = cost.macs;
  facts["stored_bytes"] = cost.stored_bytes;
  facts["ideal_bytes"] = cost.ideal_bytes;
  facts["layers"] = layers_json(cost);
  auto& block_facts = facts["blocks"] = nlohmann::ordered_json::array();
  for (const Block& block : blocks)
    block_facts.push_back({{"name", block.name}, {"input", block.input}, {"output", block.output},
                           {"nodes", block.nodes.size()}});

  std::cout << options.model << ": opset " << read.opset() << ", " << read.graph.nodes.size() << " operators ("
            << model.graph.nodes.size() << " when folded)\n"
            << "  " << operators_line(model.graph) << "\n";
  for (const Value& input : model.graph.fed_inputs())
    std::cout << "  input  " << input.name << " " << name_of(input.type.dtype) << " "
              << (input.type.shape ? to_string(*input.type.shape) : "[?]") << "\n";
  for (const Value& output : model.graph.outputs)
    std::cout << "  output " << output.name << " " << name_of(output.type.dtype) << " "
              << (output.type.shape ? to_string(*output.type.shape) : "[?]") << "\n";
  print_layers(cost);
  std::cout << "parameters " << format_count(cost.parameters) << ", MACs " << format_count(cost.macs) << ", stored "
            << format_bytes(cost.stored_bytes) << ", ideal at these bits " << format_bytes(cost.ideal_bytes) << ", "
            << blocks.size() << " blocks\n";

  auto& sites = facts["sites"] = nlohmann::ordered_json::array();
  auto& floats = facts["float_operators"] = nlohmann::ordered_json::array();
  if (is_quantized) {
    for (const auto& [name, site] : stored_sites(model))
      sites.push_back({{"site", name}, {"kind", site.kind}, {"bits", site.bits}, {"inferred", site.is_inferred}});
    std::cout << sites.size() << " quantized sites\n";
  } else {
    const auto& profile = Registry<Profile>::get(options.target);
    const Placement placement = place(model.graph, profile, {});
    for (const Site& site : placement.sites)
      sites.push_back({{"site", site.name}, {"kind", to_string(site.kind)}, {"bits", 32}});
    for (const FloatOperator& op : placement.float_operators)
      floats.push_back({{"node", op.node}, {"op", op.op}, {"reason", op.reason}});
    std::cout << placement.sites.size() << " sites for " << profile.name << "; would stay in float: "
              << placement.float_operators.size() << "\n";
    if (options.lists_sites)
      for (const Site& site : placement.sites) std::cout << "  " << to_string(site.kind) << "  " << site.name << "\n";
    for (const FloatOperator& op : placement.float_operators)
      std::cout << "  " << op.op << " '" << op.node << "': " << op.reason << "\n";
  }
  session.finish();
}

std::function<void()> inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  app.add_option("--target", options->target, "Runtime that the quantized file is for: onnxruntime, openvino, tensorrt")
      ->capture_default_str();
  app.add_flag("--sites", options->lists_sites, "List the names of the sites, which --fix and plans use");
  auto session = std::make_shared<Session>(app);
  set_example(app, "halftone inspect resnet20.onnx --sites --json facts.json");
  return [=] { run_inspect(*options, *session); };
}

HALFTONE_REGISTER(Verb, "inspect", "Shows a model's layers, costs, blocks and sites, and what would stay in float", inspect);

}  // namespace
}  // namespace halftone::cli

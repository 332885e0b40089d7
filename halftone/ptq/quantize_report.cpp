#include "halftone/ptq/quantize_report.h"

#include <cmath>
#include <map>

#include "halftone/data/accuracy.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/ptq/compare.h"

namespace halftone {
namespace {

// The name under which the quantized network holds a site's value: what its DequantizeLinear gives.
std::map<std::string, std::string> dequantized_names(const Placement& placement,
                                                     const Graph& quantized) {
  std::map<std::string, std::string> codes_of, result;
  std::map<std::string, std::string> moved;  // codes -> codes behind a Clip
  for (const Node& node : quantized.nodes) {
    if (node.op_type == "QuantizeLinear") codes_of[node.inputs[0]] = node.outputs[0];
    if (node.op_type == "Clip") moved[node.inputs[0]] = node.outputs[0];
  }
  for (const Node& node : quantized.nodes) {
    if (node.op_type != "DequantizeLinear") continue;
    for (const Site& site : placement.sites) {
      if (site.kind != SiteKind::kActivation || !codes_of.contains(site.name)) continue;
      const std::string& codes = codes_of.at(site.name);
      if (node.inputs[0] == codes || (moved.contains(codes) && node.inputs[0] == moved.at(codes)))
        result.emplace(site.name, node.outputs[0]);
    }
  }
  return result;
}

double weight_sqnr(const Tensor& original, const QuantTensor& quantized) {
  const Tensor back = dequantize_tensor(quantized);
  Energies energies;
  energies.add(original.to_vector<float>(), back.to_vector<float>());
  return energies.sqnr_db();
}

void report_outputs(const Reference& reference, const std::vector<std::vector<float>>& after,
                    QuantizeReport& report) {
  Accuracy accuracy_before, accuracy_after;
  Energies energies;
  size_t flips = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const std::vector<float>& before = reference.outputs[i];
    energies.add(before, after[i]);
    const int64_t label = reference.data.labels()[reference.samples[i]];
    flips += accuracy_before.add(before, label) != accuracy_after.add(after[i], label);
  }
  report.compared_samples = after.size();
  report.sqnr_db = energies.sqnr_db();
  const size_t labelled = accuracy_before.samples();
  if (labelled == 0) return;
  report.top1_before = accuracy_before.top1_percent();
  report.top1_after = accuracy_after.top1_percent();
  report.drop_error = 100 * std::sqrt(static_cast<double>(flips)) / static_cast<double>(labelled);
}

}  // namespace

void report_losses(const QuantizedModel& model, const Reference& reference, const LoadOptions& how,
                   const Run& run, QuantizeReport& report) {
  Graph simulated = model.quantized.graph;
  dequantize_constants(simulated);
  const Comparison comparison = compare_networks(
      model.original, Network(simulated), dequantized_names(model.placement, model.quantized.graph),
      reference.data, reference.samples, kSamplesForLayers, how, run);
  report_outputs(reference, comparison.outputs, report);
  for (const Site& site : model.placement.sites) {
    if (site.kind == SiteKind::kWeight) {
      const QuantTensor& weight = model.sites.weights.at(site.name);
      const double sqnr = weight_sqnr(model.original.graph().initializers.at(site.name), weight);
      report.sites.push_back({site.name, site.kind, weight.params.bits, sqnr});
      for (const Width& width : weight.params.channels)
        report.sites.back().channel_bits.push_back(width.bits);
    } else if (site.kind == SiteKind::kActivation && comparison.sites.contains(site.name)) {
      const double sqnr = comparison.sites.at(site.name).sqnr_db();
      report.sites.push_back(
          {site.name, site.kind, model.sites.activations.at(site.name).bits, sqnr});
    }
  }
}

}  // namespace halftone

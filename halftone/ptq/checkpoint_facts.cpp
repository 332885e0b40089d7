#include "halftone/ptq/checkpoint_facts.h"

#include <bit>
#include <cstdint>

#include "halftone/onnx/writer.h"
#include "halftone/ptq/units.h"

namespace halftone {
namespace {

void add_params(const std::string& name, const QuantParams& params, std::string& content) {
  content += text(name, " ", params.bits, " ", params.axis, " ", params.block_size, " ");
  for (float scale : params.scales) content += text(std::bit_cast<uint32_t>(scale), " ");
  for (int32_t zero_point : params.zero_points) content += text(zero_point, " ");
  for (const Width& width : params.channels) content += text(width.bits, " ");
}

std::string numbers_of(const Dequantized& given) {
  const QuantizedSites& sites = given.sites;
  std::string content;
  for (const std::string& name : given.kept) content += text(name, " in float ");
  for (const auto& [name, params] : sites.activations) add_params(name, params, content);
  for (const auto& [name, weight] : sites.weights) {
    add_params(name, weight.params, content);
    for (int32_t code : weight.codes) content += text(code, " ");
  }
  return content;
}

}  // namespace

std::string fingerprint_of_names(const Dataset& data) {
  std::string names;
  for (size_t i = 0; i < data.size(); ++i) names += data.name(i) + "\n";
  return text(data.size(), " samples, ", fingerprint(names));
}

std::map<std::string, std::string> checkpoint_facts(const Dequantized& given, const Dataset& data,
                                                    const QuantizeOptions& options,
                                                    const Run& run) {
  std::string fixes;
  for (const std::string& fix : options.fixes) fixes += fix + " ";
  const ReconstructionOptions learned = with_defaults(options.reconstruction, given.model.graph);
  return {{"model", fingerprint(serialize_model(given.model))},
          {"data", fingerprint_of_names(data)},
          {"method", options.method},
          {"target", options.target},
          {"encodings", fingerprint(numbers_of(given))},
          {"requantize", options.requantize ? "yes" : "no"},
          {"observer", options.observer},
          {"repairs",
           text(options.equalize ? "equalized " : "", options.absorb_bias ? "absorbed " : "",
                "bias correction ",
                options.bias_correction ? std::to_string(static_cast<int>(*options.bias_correction))
                                        : "of the method")},
          {"bits", text("weights ", options.weights, ", activations ", options.activations,
                        options.full_range ? ", full range" : "",
                        options.shares_skips ? ", shared skips" : "",
                        options.group ? text(", groups of ", options.group) : "",
                        options.weight_scheme == Scheme::kAffine ? ", affine weights" : "")},
          {"plan", options.plan ? fingerprint(options.plan_text) : "none"},
          {"fixes", fixes},
          {"seed", std::to_string(run.seed)},
          {"learning",
           text("iterations ", learned.iterations, ", batch ", learned.batch, ", lambda ",
                learned.rounding_weight, ", rate ", learned.rounding_learning_rate,
                learned.uses_fisher ? ", Fisher" : "", learned.learns_biases ? "" : ", biases stay",
                learned.tunes_network ? "" : ", no walk over the network")}};
}

void require_same_outputs(const Checkpoint& checkpoint, const Calibration& calibration) {
  std::string content;
  for (const auto& row : calibration.outputs)
    content.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
  const std::string now = fingerprint(content);
  const auto before = checkpoint.read("outputs");
  if (before && *before != now)
    throw Error("the checkpoint in '", checkpoint.folder().string(),
                "' is of another run: the float network gives other outputs; was it run with other "
                "preprocessing or other images?");
  checkpoint.write("outputs", now);
}

}  // namespace halftone

#include "halftone/ptq/checkpoint_facts.h"

#include "halftone/onnx/writer.h"

namespace halftone {

std::map<std::string, std::string> checkpoint_facts(const Model& model, const Dataset& data,
                                                    const QuantizeOptions& options,
                                                    const Run& run) {
  std::string names;
  for (size_t i = 0; i < data.size(); ++i) names += data.name(i) + "\n";
  std::string fixes;
  for (const std::string& fix : options.fixes) fixes += fix + " ";
  const ReconstructionOptions& learned = options.reconstruction;
  return {
      {"model", fingerprint(serialize_model(model))},
      {"data", text(data.size(), " samples, ", fingerprint(names))},
      {"method", options.method},
      {"target", options.target},
      {"encodings", std::to_string(options.encodings.size())},
      {"requantize", options.requantize ? "yes" : "no"},
      {"observer", options.observer},
      {"repairs",
       text(options.equalize ? "equalized " : "", options.absorb_bias ? "absorbed " : "",
            "bias correction ",
            options.bias_correction ? std::to_string(static_cast<int>(*options.bias_correction))
                                    : "of the method")},
      {"bits", text("weights ", options.weights, ", activations ", options.activations,
                    options.full_range ? ", full range" : "",
                    options.group ? text(", groups of ", options.group) : "",
                    options.weight_scheme == Scheme::kAffine ? ", affine weights" : "")},
      {"plan", options.plan ? fingerprint(options.plan_text) : "none"},
      {"fixes", fixes},
      {"seed", std::to_string(run.seed)},
      {"learning", text("iterations ", learned.iterations, ", batch ", learned.batch, ", lambda ",
                        learned.rounding_weight, ", rate ", learned.rounding_learning_rate,
                        learned.uses_fisher ? ", Fisher" : "")}};
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

#include <iostream>

#include "halftone/cli/culprits_train.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/inspect_view.h"
#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"
#include "halftone/ptq/quantize.h"

namespace halftone::cli {
namespace {

struct Options {
  bool is_wanted = false;
  QuantizeOptions quantize{.method = "corrected", .explains = true};
};

void show(const Model& model, QuantizeOptions options, const DataOptions& data_options,
          Session& session) {
  if (dequantize(prepare(model)).quantization() != Quantization::kFloat)
    throw Error(
        "--sensitivity: the model is quantized already, and what its weights were is gone; give "
        "the float model");
  const auto data = data_options.open(model, session.run());
  options.skip_broken = data_options.skips_broken();
  const QuantizeReport report = quantize(model, *data, options, session.run()).report;
  session.facts()["sqnr_db"] = report.sqnr_db;
  session.facts()["culprits"] = culprits_json(report.culprits);
  std::cout << "quantized with " << options.weights << "-bit weights and " << options.activations
            << "-bit activations, SQNR " << fixed(report.sqnr_db, 1) << " dB:\n";
  print_culprits(report.culprits);
}

std::function<void(const Model&, const std::string&, Session&)> sensitivity(CLI::App& app) {
  auto options = std::make_shared<Options>();
  const std::string group = "Sensitivity";
  app.add_flag("--sensitivity", options->is_wanted,
               "Rank all sites by what each would cost alone at these bits; needs --data")
      ->group(group);
  app.add_option("--weights", options->quantize.weights, "Bits of weights, 1 to 8, or 32")
      ->capture_default_str()
      ->group(group);
  app.add_option("--activations", options->quantize.activations,
                 "Bits of activations, 2 to 8, or 32")
      ->capture_default_str()
      ->group(group);
  auto data = std::make_shared<DataOptions>(app, 64);
  return [=](const Model& model, const std::string& target, Session& session) {
    if (!options->is_wanted) return;
    QuantizeOptions how = options->quantize;
    if (target != "native") how.target = target;
    show(model, how, *data, session);
  };
}

HALFTONE_REGISTER(InspectView, "sensitivity", "What each site would cost alone", sensitivity);

}  // namespace
}  // namespace halftone::cli

#include <iostream>

#include "halftone/base/units.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/verb.h"
#include "halftone/data/evaluate.h"
#include "halftone/export/prepare.h"
#include "halftone/graph/executor.h"
#include "halftone/onnx/reader.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, against, outputs, engine;
};

void run_eval(const Options& options, const DataOptions& data_options, Session& session) {
  session.begin(options.model,
                {.read = data_options.files({options.against}), .written = {options.outputs}});
  const Model model = read_model(options.model);
  const auto data = data_options.open(model, session.run());
  std::optional<Model> original;
  if (!options.against.empty()) original = read_model(options.against);

  EvaluateOptions how{.engine = options.engine, .skip_broken = data_options.skips_broken()};
  if (!options.outputs.empty()) how.outputs = options.outputs;
  const Graph graph = prepare(model).graph;
  std::optional<Graph> original_graph;
  if (original) original_graph = prepare(*original).graph;
  const Evaluation result =
      evaluate(graph, original_graph ? &*original_graph : nullptr, *data, how, session.run());

  auto& facts = session.facts();
  facts["samples"] = result.samples;
  std::cout << options.model << " on " << result.samples << " samples\n";
  if (result.accuracy.samples() > 0) {
    facts["top1"] = result.accuracy.top1_percent();
    facts["top5"] = result.accuracy.top5_percent();
    facts["loss"] = result.accuracy.loss();
    std::cout << "  top-1 " << fixed(result.accuracy.top1_percent(), 2) << " %, top-5 "
              << fixed(result.accuracy.top5_percent(), 2) << " %, loss "
              << fixed(result.accuracy.loss(), 4) << "\n";
  } else {
    std::cout << "  no labels: no accuracy\n";
  }
  if (original) {
    auto& sqnr = facts["sqnr_db"] = nlohmann::ordered_json::object();
    for (const auto& [name, value] : result.sqnr_db) {
      sqnr[name] = value;
      std::cout << "  SQNR of '" << name << "' against " << options.against << ": "
                << fixed(value, 1) << " dB\n";
    }
  }
  std::cout << "  " << format_seconds(session.seconds()) << ", "
            << fixed(static_cast<double>(result.samples) / session.seconds(), 0) << " samples/s\n";
  session.finish();
}

std::function<void()> eval(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  auto data = std::make_shared<DataOptions>(app, std::nullopt);
  app.add_option("--against", options->against,
                 "Also compare every output with this model's (SQNR)")
      ->type_name("MODEL");
  app.add_option("--outputs", options->outputs,
                 "Write the first output of every sample, in order, as .npy")
      ->type_name("FILE");
  app.add_option("--engine", options->engine,
                 listed<Executor>("What runs the model, by default the fastest simulation:"))
      ->type_name("NAME");
  auto session = std::make_shared<Session>(app);
  set_example(app, "halftone eval resnet20.onnx --data cifar10/test --preprocess cifar10");
  return [=] { run_eval(*options, *data, *session); };
}

HALFTONE_REGISTER(Verb, "eval",
                  "Runs a model over data: top-1, top-5, loss, and its distance from another model",
                  eval);

}  // namespace
}  // namespace halftone::cli

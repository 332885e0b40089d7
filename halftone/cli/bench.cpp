#include <algorithm>
#include <chrono>
#include <iostream>

#include "halftone/base/rng.h"
#include "halftone/base/units.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/native.h"
#include "halftone/cli/verb.h"
#include "halftone/onnx/reader.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  double seconds = 1.0;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Buffers with random contents: floats about as an image after preprocessing.
class Buffers {
 public:
  Buffers(const runtime::Session& native, const Run& run) {
    Rng rng = run.rng("bench");
    for (const runtime::Port& port : native.inputs()) {
      auto& bytes = storage_.emplace_back(port.bytes());
      if (port.dtype == DType::kFloat) {
        for (size_t i = 0; i < port.elements(); ++i) {
          const auto x = static_cast<float>(rng.uniform() * 4 - 2);
          std::memcpy(bytes.data() + i * sizeof x, &x, sizeof x);
        }
      } else {
        for (std::byte& b : bytes) b = static_cast<std::byte>(rng.below(2));
      }
      inputs_.push_back(bytes.data());
    }
    for (const runtime::Port& port : native.outputs())
      outputs_.push_back(storage_.emplace_back(port.bytes()).data());
  }
  void run(runtime::Session& native) const {
    if (!native.run(inputs_, outputs_)) throw Error(native.error());
  }

 private:
  std::vector<std::vector<std::byte>> storage_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
};

// Seconds of each of as many runs as fit the time, at least 5.
std::vector<double> time_runs(runtime::Session& native, const Buffers& buffers, double seconds,
                              const Run& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 5 || Clock::now() - start < std::chrono::duration<double>(seconds)) {
    run.check_cancelled();
    const auto before = Clock::now();
    buffers.run(native);
    times.push_back(std::chrono::duration<double>(Clock::now() - before).count());
  }
  return times;
}

void report(const runtime::Program& program, const std::vector<double>& layer_seconds, double total,
            nlohmann::ordered_json& facts) {
  double sum = 0;
  for (double seconds : layer_seconds) sum += seconds;
  Table table({"layer", "op", "kernel", "time", "share", "GMAC/s"});
  auto& layers = facts["layers"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < program.layers.size(); ++i) {
    const runtime::Layer& layer = *program.layers[i];
    const double speed = static_cast<double>(layer.macs) / layer_seconds[i] * 1e-9;
    table.add({layer.name, layer.op, layer.kernel, format_seconds(layer_seconds[i]),
               fixed(100 * layer_seconds[i] / sum, 1) + " %", layer.macs ? fixed(speed, 1) : ""});
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"kernel", layer.kernel},
                      {"reason", layer.reason},
                      {"median_seconds", layer_seconds[i]},
                      {"macs", layer.macs}});
  }
  std::cout << table.text() << "one inference " << format_seconds(total) << " (median); values in "
            << format_bytes(program.arena_bytes) << ", packed weights "
            << format_bytes(program.weight_bytes) << "\n";
  facts["median_seconds"] = total;
  facts["arena_bytes"] = program.arena_bytes;
  facts["weight_bytes"] = program.weight_bytes;
}

void run_bench(const Options& options, Session& session) {
  session.begin(options.model);
  const auto program = load_native(read_model(options.model), {}, session.run());
  runtime::Session native(program, {.threads = session.run().threads});
  const Buffers buffers(native, session.run());
  time_runs(native, buffers, options.seconds / 5, session.run());  // warms caches and clock
  const std::vector<double> times = time_runs(native, buffers, options.seconds, session.run());

  std::vector<std::vector<double>> by_layer(program->layers.size());
  native.time_layers(
      [](void* user, size_t layer, double seconds) {
        (*static_cast<decltype(by_layer)*>(user))[layer].push_back(seconds);
      },
      &by_layer);
  time_runs(native, buffers, options.seconds / 2, session.run());
  std::vector<double> layer_seconds;
  for (const auto& seconds : by_layer) layer_seconds.push_back(median(seconds));

  session.facts()["runs"] = times.size();
  session.facts()["min_seconds"] = *std::ranges::min_element(times);
  report(*program, layer_seconds, median(times), session.facts());
  session.finish();
}

std::function<void()> bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  app.add_option("--duration", options->seconds, "Seconds to measure for")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  auto session = std::make_shared<Session>(app);
  set_example(app, "halftone bench resnet20-w4a4.onnx --threads 1");
  return [=] { run_bench(*options, *session); };
}

HALFTONE_REGISTER(Verb, "bench",
                  "Measures a quantized model on this CPU, layer by layer, by the native runtime",
                  bench);

}  // namespace
}  // namespace halftone::cli

#include <iostream>

#include "halftone/base/units.h"
#include "halftone/cli/float_operators.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/outputs.h"
#include "halftone/cli/verb.h"
#include "halftone/export/compact.h"
#include "halftone/export/prepare.h"
#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, output;
};

using Conversion = Model (*)(const Model&);

void convert(const Options& options, Conversion conversion, Session& session) {
  session.begin(options.model, {.written = {options.output}});
  const Model model = read_model(options.model);
  const uint64_t before = file_bytes(options.model);
  const Model converted = conversion(model);
  // Both forms run as the onnxruntime profile has it. Before writing: what is refused leaves no
  // file.
  const auto floats =
      float_operators_of(dequantize(prepare(converted)), Registry<Profile>::get("onnxruntime"));
  const uint64_t after = write_model(converted, options.output);
  session.facts()["bytes_before"] = before;
  session.facts()["bytes_after"] = after;
  std::cout << options.output << ": " << format_bytes(before) << " -> " << format_bytes(after)
            << " (x" << fixed(static_cast<double>(after) / static_cast<double>(before), 2) << ")\n";
  fill_float_operators(floats, session.facts());
  print_float_operators(floats, "stays in float");
  session.finish();
}

std::function<void()> verb(CLI::App& app, Conversion conversion, const std::string& example) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  app.add_option("-o,--output", options->output, "The converted model")
      ->required()
      ->type_name("OUT");
  auto session = std::make_shared<Session>(app);
  set_example(app, example);
  return [=] { convert(*options, conversion, *session); };
}

HALFTONE_REGISTER(
    Verb, "pack",
    "Stores a quantized model's weights in their bits; stock runtimes run it unchanged",
    [](CLI::App& app) {
      return verb(app, pack, "halftone pack resnet20-w4a4.onnx -o resnet20-w4a4-compact.onnx");
    });
HALFTONE_REGISTER(Verb, "unpack", "Turns a packed model back into one with int8 weights",
                  [](CLI::App& app) {
                    return verb(app, unpack,
                                "halftone unpack resnet20-w4a4-compact.onnx -o resnet20-w4a4.onnx");
                  });

}  // namespace
}  // namespace halftone::cli

#include <algorithm>
#include <iostream>

#include "halftone/base/atomic_file.h"
#include "halftone/base/units.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/native.h"
#include "halftone/cli/verb.h"
#include "halftone/data/npy.h"
#include "halftone/onnx/reader.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> inputs, outputs;
};

// The arrays of --input, and how the network takes them: as they are, or row by row where it leaves
// the batch open.
struct Feed {
  std::vector<NpyArray> arrays;
  runtime::LoadOptions shapes;
  uint64_t samples = 1;
  bool is_batched = false;
};

// Whether every dimension that is known is the same.
bool fits(const Shape& shape, const SymbolicShape& wanted) {
  auto is_same = [](int64_t size, const Dim& dim) { return !dim.known() || dim.value == size; };
  return shape.size() == wanted.size() && std::ranges::equal(shape, wanted, is_same);
}

Feed open_feed(const Model& model, const std::vector<std::string>& files) {
  const auto fed = model.graph.fed_inputs();
  if (files.size() != fed.size())
    throw UsageError("the network has ", fed.size(), " inputs, but --input was given ",
                     files.size(), " times; give one .npy an input, in order");
  Feed feed;
  feed.is_batched = runtime::has_open_batch(model.graph);
  for (const std::string& file : files) feed.arrays.push_back(open_npy(FileBytes::open(file)));
  for (size_t i = 0; i < files.size(); ++i) {
    Shape shape = feed.arrays[i].shape();
    if (feed.is_batched && !shape.empty()) {
      if (i == 0) feed.samples = feed.arrays[0].rows();
      if (feed.arrays[i].rows() != feed.samples)
        throw Error("'", files[i], "' has ", feed.arrays[i].rows(), " rows, '", files[0], "' has ",
                    feed.samples);
      shape[0] = 1;
    }
    if (fed[i].type.shape && !fits(shape, *fed[i].type.shape))
      throw Error("the input '", fed[i].name, "' has the shape ", to_string(*fed[i].type.shape),
                  ", but '", files[i], "' holds ", to_string(feed.arrays[i].shape()));
    feed.shapes.shapes[fed[i].name] = shape;
  }
  return feed;
}

// The sample as the port takes it; float64 and float16 files are converted to float32.
Tensor sample_of(const Feed& feed, size_t input, uint64_t index, const runtime::Port& port) {
  Tensor tensor = feed.is_batched ? feed.arrays[input].row(index) : feed.arrays[input].all();
  if (tensor.dtype() == port.dtype) return tensor;
  if (port.dtype == DType::kFloat && is_floating(tensor.dtype()))
    return Tensor::of<float>(tensor.shape(), tensor.to_vector<float>());
  throw Error("the input '", port.name, "' takes ", name_of(port.dtype), ", but '",
              feed.arrays[input].name(), "' holds ", name_of(tensor.dtype()));
}

void run_native(const Options& options, Session& session) {
  session.begin(options.model, {.read = options.inputs, .written = options.outputs});
  const Model model = read_model(options.model);
  const Feed feed = open_feed(model, options.inputs);
  runtime::Session native(load_native(model, feed.shapes, session.run()),
                          {.threads = session.run().threads});
  if (options.outputs.size() > native.outputs().size())
    throw UsageError("-o was given ", options.outputs.size(), " times, but the network has ",
                     native.outputs().size(), " outputs");

  std::vector<std::vector<std::byte>> results;
  for (const runtime::Port& port : native.outputs())
    results.emplace_back(port.bytes() * feed.samples);
  Progress progress(session.run(), "running", feed.samples);
  for (uint64_t s = 0; s < feed.samples; ++s) {
    session.run().check_cancelled();
    std::vector<Tensor> tensors;
    std::vector<const void*> from;
    std::vector<void*> to;
    for (size_t i = 0; i < native.inputs().size(); ++i)
      tensors.push_back(sample_of(feed, i, s, native.inputs()[i]));
    for (const Tensor& tensor : tensors) from.push_back(tensor.bytes().data());
    for (size_t i = 0; i < results.size(); ++i)
      to.push_back(results[i].data() + s * native.outputs()[i].bytes());
    if (!native.run(from, to)) throw Error(native.error());
    progress.advance();
  }
  auto& outputs = session.facts()["outputs"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < options.outputs.size(); ++i) {
    const runtime::Port& port = native.outputs()[i];
    Shape shape = port.shape;
    if (feed.is_batched && !shape.empty()) shape[0] *= static_cast<int64_t>(feed.samples);
    AtomicFile file(options.outputs[i]);
    file.write(make_npy_header(port.dtype, shape));
    file.write(results[i]);
    file.commit();
    outputs.push_back({{"name", port.name}, {"file", options.outputs[i]}});
    std::cout << options.outputs[i] << ": '" << port.name << "' " << to_string(shape) << "\n";
  }
  session.facts()["samples"] = feed.samples;
  std::cout << "  " << feed.samples << " samples, " << format_seconds(session.seconds()) << "\n";
  session.finish();
}

std::function<void()> run(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_model_option(app, options->model);
  app.add_option("--input", options->inputs,
                 "Array for an input; once an input, in the model's order")
      ->required()
      ->type_name("FILE.npy");
  app.add_option("-o,--output", options->outputs,
                 "Where an output goes; once an output, in the model's order")
      ->required()
      ->type_name("FILE.npy");
  auto session = std::make_shared<Session>(app);
  set_example(app, "halftone run resnet20-w4a4.onnx --input images.npy -o logits.npy");
  return [=] { run_native(*options, *session); };
}

HALFTONE_REGISTER(Verb, "run", "Runs a quantized model on this CPU by the native runtime", run);

}  // namespace
}  // namespace halftone::cli

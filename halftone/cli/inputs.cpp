#include "halftone/cli/inputs.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "halftone/base/run.h"

namespace halftone::cli {
namespace {

std::string at_least_one(const std::string& text) {
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const bool is_zero = text.find_first_not_of('0') == std::string::npos;
  return is_number && !is_zero ? "" : "'" + text + "' samples; give a whole number, at least 1";
}

// Numbers of the first output for a sample, where the model tells them.
std::optional<int64_t> output_count(const Graph& graph) {
  if (graph.outputs.empty() || !graph.outputs[0].type.shape) return std::nullopt;
  const SymbolicShape& shape = *graph.outputs[0].type.shape;
  if (shape.size() != 2 || !shape[1].known()) return std::nullopt;
  return shape[1].value;
}

}  // namespace

DataOptions::DataOptions(CLI::App& app, std::optional<size_t> default_limit)
    : limit_(default_limit) {
  const std::string group = "Data";
  app.add_option("--data", data_,
                 "Folder DIR/<class>/*.jpg|png, folder of images, CIFAR .bin, IDX, .npz, .npy or a "
                 "folder of .npz")
      ->type_name("PATH")
      ->group(group);
  app.add_option("--classes", classes_, "Class list: tab-separated index, folder, name")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--preprocess", preprocess_,
                 "imagenet, cifar10 or FILE.json with resize, crop, interpolation, mean, std, "
                 "color, layout; "
                 "by default what the model carries")
      ->type_name("NAME|FILE")
      ->group(group);
  const std::string all = default_limit ? std::to_string(*default_limit) : "all";
  app.add_option("--limit", limit_,
                 "Samples, drawn by --seed, spread over the classes; by default " + all)
      ->type_name("N")
      ->check(at_least_one)
      ->group(group);
  app.add_flag("--skip-broken", skip_broken_, "Report and leave out images that cannot be read")
      ->group(group);
}

std::optional<Preprocess> DataOptions::preprocess(const Model& model) const {
  if (!preprocess_.empty()) return load_preprocess(preprocess_);
  if (const std::string* carried = model.find_metadata(kPreprocessKey))
    return parse_preprocess(*carried, "the model's metadata");
  return std::nullopt;
}

DatasetOptions DataOptions::how_to_feed(const Model& model) const {
  DatasetOptions options{.preprocess = preprocess(model), .inputs = model.graph.fed_inputs()};
  if (!classes_.empty()) options.classes = classes_;
  return options;
}

std::shared_ptr<const Dataset> DataOptions::open(const Model& model, const Run& run) const {
  if (data_.empty()) throw UsageError("--data is required: the samples to work on");
  DatasetOptions options = how_to_feed(model);
  options.limit = limit_;
  options.seed = run.seed;
  return open_with(options, data_, model, run);
}

std::shared_ptr<const Dataset> DataOptions::open_all(const std::string& path, const Model& model,
                                                     const Run& run) const {
  return open_with(how_to_feed(model), path, model, run);
}

std::shared_ptr<const Dataset> DataOptions::open_with(const DatasetOptions& options,
                                                      const std::string& path, const Model& model,
                                                      const Run& run) const {
  auto data = open_dataset(path, options);
  const std::optional<int64_t> outputs = output_count(model.graph);
  const bool is_by_order = !options.classes && std::filesystem::is_directory(path);
  if (is_by_order && data->is_labelled() && outputs &&
      *outputs != static_cast<int64_t>(data->class_count()))
    run.warning(text("'", path, "' has ", data->class_count(), " class folders, the network ",
                     *outputs, " outputs: folders are numbered by their order, so labels behind ",
                     "a missing one are wrong; name the classes by --classes FILE"));
  return data;
}

std::vector<std::string> DataOptions::files(std::vector<std::string> others) const {
  others.insert(others.end(), {data_, classes_, preprocess_});
  return others;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("cannot open '", path, "'");
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void add_model_option(CLI::App& app, std::string& model) {
  app.add_option("MODEL", model, "ONNX file")->required()->type_name("");
}

void set_example(CLI::App& app, const std::string& example) {
  app.footer("Example:\n  " + example + "\n");
}

}  // namespace halftone::cli

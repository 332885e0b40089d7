#include "onnx_cases.h"

#include <algorithm>
#include <cstdlib>

#include "halftone/onnx/reader.h"

namespace halftone {
namespace {

namespace fs = std::filesystem;

// stem0extension, stem1extension, ... as far as they are there.
std::vector<fs::path> numbered(const fs::path& folder, const std::string& stem,
                               const std::string& extension) {
  std::vector<fs::path> result;
  for (int i = 0; fs::exists(folder / (stem + std::to_string(i) + extension)); ++i)
    result.push_back(folder / (stem + std::to_string(i) + extension));
  return result;
}

// Where bfloat16 is declared, the onnx wheel stores the same bits as uint16.
Tensor read_tensor(const fs::path& path, const Value& declared) {
  const Tensor tensor = read_tensor_file(path);
  if (tensor.dtype() != DType::kUint16 || declared.type.dtype != DType::kBfloat16) return tensor;
  return Tensor::from_bytes(DType::kBfloat16, tensor.shape(),
                            {tensor.bytes().begin(), tensor.bytes().end()});
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> result;
  if (fs::exists(folder))
    for (const auto& entry : fs::directory_iterator(folder)) result.push_back(entry.path());
  std::ranges::sort(result);
  return result;
}

std::vector<Tensor> read_outputs(const std::vector<fs::path>& files, const Model& model) {
  std::vector<Tensor> result;
  for (size_t i = 0; i < files.size() && i < model.graph.outputs.size(); ++i)
    result.push_back(read_tensor(files[i], model.graph.outputs[i]));
  return result;
}

// The light models are known networks with made-up weights. ONNX's runner feeds them 0, 1/n, 2/n,
// ...
OnnxCaseData light_data(const OnnxCase& onnx_case, const Model& model) {
  OnnxCaseData result;
  for (const Value& input : model.graph.fed_inputs()) {
    Shape shape;
    for (const Dim& dim : input.type.shape.value_or(SymbolicShape{}))
      shape.push_back(dim.known() ? dim.value : 1);
    std::vector<double> values(static_cast<size_t>(element_count(shape)));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<double>(i) / static_cast<double>(values.size());
    result.inputs[input.name] = Tensor::from_doubles(DType::kFloat, shape, values);
  }
  const fs::path folder = onnx_case.model.parent_path();
  result.outputs = read_outputs(numbered(folder, onnx_case.name + "_output_", ".pb"), model);
  return result;
}

}  // namespace

fs::path onnx_cases_folder() {
  const char* given = std::getenv("HALFTONE_ONNX_CASES");
  const fs::path folder =
      given ? fs::path(given) : fs::path(HALFTONE_SOURCE_DIR) / ".cache/onnx-cases";
  const fs::path inside = folder / "onnx/backend/test/data";
  return fs::exists(inside) ? inside : folder;
}

std::vector<OnnxCase> onnx_cases() {
  std::vector<OnnxCase> result;
  for (const char* group : {"node", "simple", "pytorch-operator", "pytorch-converted"})
    for (const fs::path& entry : entries(onnx_cases_folder() / group))
      if (fs::exists(entry / "model.onnx"))
        result.push_back({group, entry.filename(), entry / "model.onnx"});
  for (const fs::path& entry : entries(onnx_cases_folder() / "light"))
    if (entry.extension() == ".onnx") result.push_back({"light", entry.stem(), entry});
  return result;
}

std::vector<OnnxCaseData> read_data(const OnnxCase& onnx_case, const Model& model) {
  if (onnx_case.group == "light") return {light_data(onnx_case, model)};
  std::vector<OnnxCaseData> result;
  for (const fs::path& set : numbered(onnx_case.model.parent_path(), "test_data_set_", "")) {
    OnnxCaseData data;
    const auto inputs = numbered(set, "input_", ".pb");
    for (size_t i = 0; i < inputs.size() && i < model.graph.inputs.size(); ++i)
      data.inputs[model.graph.inputs[i].name] = read_tensor(inputs[i], model.graph.inputs[i]);
    data.outputs = read_outputs(numbered(set, "output_", ".pb"), model);
    result.push_back(std::move(data));
  }
  return result;
}

bool has_tensors_only(const Model& model) {
  const auto is_tensor = [](const Value& value) { return value.type.dtype != DType::kUndefined; };
  return std::ranges::all_of(model.graph.inputs, is_tensor) &&
         std::ranges::all_of(model.graph.outputs, is_tensor);
}

}  // namespace halftone

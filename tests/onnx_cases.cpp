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
  for (const char* group : {"node", "light", "simple", "pytorch-operator", "pytorch-converted"}) {
    const fs::path folder = onnx_cases_folder() / group;
    if (!fs::exists(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder))
      if (fs::exists(entry.path() / "model.onnx"))
        result.push_back({group, entry.path().filename(), entry.path()});
  }
  std::ranges::sort(result, {}, &OnnxCase::folder);
  return result;
}

std::vector<OnnxCaseData> read_data(const OnnxCase& onnx_case, const Model& model) {
  std::vector<OnnxCaseData> result;
  for (const fs::path& set : numbered(onnx_case.folder, "test_data_set_", "")) {
    OnnxCaseData data;
    const auto inputs = numbered(set, "input_", ".pb");
    for (size_t i = 0; i < inputs.size() && i < model.graph.inputs.size(); ++i)
      data.inputs[model.graph.inputs[i].name] = read_tensor(inputs[i], model.graph.inputs[i]);
    const auto outputs = numbered(set, "output_", ".pb");
    for (size_t i = 0; i < outputs.size() && i < model.graph.outputs.size(); ++i)
      data.outputs.push_back(read_tensor(outputs[i], model.graph.outputs[i]));
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

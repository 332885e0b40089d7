// ONNX's own test cases, as the onnx wheel has them (onnx/backend/test/data): a model of one or a
// few operators, inputs, and the outputs that ONNX says they have.
//
// They are looked for in the folder that the environment variable HALFTONE_ONNX_CASES names, else
// in .cache/onnx-cases of the source tree, where the wheel is unzipped.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

using NamedTensors = std::map<std::string, Tensor>;

struct OnnxCase {
  std::string group;  // node, light, simple, pytorch-operator, pytorch-converted
  std::string name;
  std::filesystem::path model;
};

// Where the cases are, whether or not they are there.
std::filesystem::path onnx_cases_folder();
// All cases, ordered by group and name; empty where there are none.
std::vector<OnnxCase> onnx_cases();

// Inputs and expected outputs.
struct OnnxCaseData {
  NamedTensors inputs;
  std::vector<Tensor> outputs;
};
// One for every data set of the case. Throws Error where a file does not hold a tensor.
std::vector<OnnxCaseData> read_data(const OnnxCase& onnx_case, const Model& model);

// False where an input or output is a sequence or an optional value.
bool has_tensors_only(const Model& model);

}  // namespace halftone

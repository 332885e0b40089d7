// ONNX's own test cases, run through every executor of halftone: what it computes is what ONNX
// says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <set>

#include "halftone/graph/executor.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/op.h"
#include "halftone/onnx/lift.h"
#include "halftone/onnx/reader.h"
#include "onnx_cases.h"

namespace halftone {
namespace {

// An executor (graph/executor.h) that is held to the cases. Add a line and every case runs through
// it too.
struct Judged {
  const char* executor;
  // So many must run, lest it passes by supporting nothing: of node cases, and of networks (light,
  // simple and PyTorch's).
  int least_node_cases, least_networks;
};
constexpr Judged kJudged[] = {
    {"reference", 1000, 20},
    {"libtorch", 980, 20},
};

// Cases that are not asked of an executor, or of any where it is "". The name stands for every case
// that begins with it.
struct Exclusion {
  const char* executor;
  const char* name;
  const char* reason;
};
constexpr Exclusion kExclusions[] = {
    {"reference", "light_vgg19",
     "takes 20 seconds and has no operator that light_bvlc_alexnet lacks"},
    {"", "test_scan_sum", "the batched Scan of opset 8, which opset 9 took back"},
    {"", "test_training_dropout", "the expected output is one random draw"},
    {"", "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
     "the data of onnx 1.17 counts what hangs over the padded input; onnxruntime and onnx 1.23 do "
     "not"},
    {"", "test_cast_FLOAT_to_BFLOAT16",
     "the data of onnx 1.17 truncates where ONNX asks for the nearest number"},
    {"", "test_castlike_FLOAT_to_BFLOAT16",
     "the data of onnx 1.17 truncates where ONNX asks for the nearest number"},
    {"", "test_qlinearmatmul_2D_int8",
     "the data of onnx 1.17 wraps around where the operator and onnxruntime saturate"},
    {"", "test_qlinearmatmul_3D_int8",
     "the data of onnx 1.17 wraps around where the operator and onnxruntime saturate"},
};

const Exclusion* exclusion_of(const std::string& executor, const std::string& name) {
  for (const Exclusion& exclusion : kExclusions)
    if (name.starts_with(exclusion.name) &&
        (!*exclusion.executor || executor == exclusion.executor))
      return &exclusion;
  return nullptr;
}

bool can_make(const Executor& executor, const Graph& graph) {
  try {
    executor.make(graph, {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The operators that an executor lacks for a graph, each once; "" where it lacks none.
std::string unsupported_operators(const Executor& executor, const Graph& graph) {
  if (can_make(executor, graph)) return "";
  std::set<std::string> names;
  for (const Node& node : graph.nodes) {
    Graph alone;
    alone.nodes = {node};
    if (!can_make(executor, alone))
      names.insert(node.domain.empty() ? node.op_type : node.domain + "." + node.op_type);
  }
  std::string result;
  for (const std::string& name : names) result += (result.empty() ? "" : ", ") + name;
  return result.empty() ? "something in the graph" : result;
}

// A type among a case's values that the executor has no tensors for, or "".
std::string unsupported_type(const Executor& executor, const std::vector<OnnxCaseData>& all) {
  if (executor.name != "libtorch") return "";
  for (const OnnxCaseData& data : all) {
    std::vector<DType> types;
    for (const auto& [name, tensor] : data.inputs) types.push_back(tensor.dtype());
    for (const Tensor& tensor : data.outputs) types.push_back(tensor.dtype());
    for (DType dtype : types)
      if (bits_of(dtype) < 8 || dtype == DType::kFloat8E8M0) return name_of(dtype);
  }
  return "";
}

// What is wrong with the values, or "". Tolerances are those of ONNX's own runner; whole numbers
// and strings are exact.
std::string difference(const Tensor& found, const Tensor& expected) {
  if (found.dtype() != expected.dtype() || found.shape() != expected.shape())
    return text("is ", name_of(found.dtype()), to_string(found.shape()), " instead of ",
                name_of(expected.dtype()), to_string(expected.shape()));
  if (!is_floating(found.dtype())) return found == expected ? "" : "has other values";
  constexpr double kRelative = 1e-3, kAbsolute = 1e-7;
  const auto a = found.to_vector<double>();
  const auto b = expected.to_vector<double>();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool is_same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ||
                         std::fabs(a[i] - b[i]) <= kAbsolute + kRelative * std::fabs(b[i]);
    if (!is_same) return text("has ", a[i], " instead of ", b[i], " at position ", i);
  }
  return "";
}

// How much of the inputs an inference is told.
enum class Told { kShapes, kSymbols, kSymbolsAndIntegers };

// The model with its inputs' dimensions replaced by symbols, equal where the sizes are ("n7" is 7),
// and its declared output shapes dropped, so that what is known afterwards was inferred.
Graph asked_graph(const Model& model, const NamedTensors& inputs, Told told) {
  Graph graph = model.graph;
  graph.value_types.clear();
  for (Value& output : graph.outputs) output.type.shape.reset();
  std::erase_if(graph.inputs, [&](Value& input) {
    const auto found = inputs.find(input.name);
    if (found == inputs.end()) return false;
    input.type = type_of(found->second);
    if (told == Told::kShapes) return false;
    if (told == Told::kSymbolsAndIntegers && is_integer(found->second.dtype()) &&
        found->second.rank() <= 1) {
      graph.initializers[input.name] = found->second;
      return true;
    }
    for (Dim& dim : *input.type.shape) dim = {-1, text("n", dim.value)};
    return false;
  });
  return graph;
}

bool may_be(const Dim& dim, int64_t size) {
  if (dim.known()) return dim.value == size;
  return dim.symbol.empty() || dim.symbol == text("n", size);
}

// Where inference contradicts what came out, or "".
std::string contradiction(const Model& model, const NamedTensors& inputs, const Tensors& outputs,
                          Told told) {
  Graph graph = asked_graph(model, inputs, told);
  try {
    infer_shapes(graph);
  } catch (const Error& error) {
    return text("inference (", static_cast<int>(told), ") throws: ", error.what());
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ValueType& type = graph.outputs[i].type;
    if (type.dtype != DType::kUndefined && type.dtype != outputs[i].dtype())
      return text("inference says ", name_of(type.dtype), " of output ", i);
    if (!type.shape) continue;
    const Shape& shape = outputs[i].shape();
    bool fits = type.shape->size() == shape.size();
    for (size_t k = 0; fits && k < shape.size(); ++k) fits = may_be((*type.shape)[k], shape[k]);
    if (!fits)
      return text("inference says ", to_string(*type.shape), " of output ", i, to_string(shape));
  }
  return "";
}

struct Totals {
  std::map<std::string, int> run;                            // by group of cases
  std::map<std::string, std::vector<std::string>> left_out;  // reason to cases
  int fully_inferred = 0;  // outputs whose shape is known from the inputs' alone
};

// Runs one case; what is wrong with it, or "".
std::string failure(const Executor& executor, const Model& model, const OnnxCase& onnx_case,
                    Totals& totals) {
  for (const OnnxCaseData& data : read_data(onnx_case, model)) {
    const Tensors outputs = executor.make(model.graph, {})->run(data.inputs);
    if (data.outputs.size() != outputs.size())
      return text(outputs.size(), " outputs instead of ", data.outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string found = difference(outputs[i], data.outputs[i]);
      if (!found.empty()) return text("output ", i, " ", found);
    }
    for (Told told : {Told::kShapes, Told::kSymbols, Told::kSymbolsAndIntegers}) {
      const std::string found = contradiction(model, data.inputs, outputs, told);
      if (!found.empty()) return found;
    }
    Graph graph = asked_graph(model, data.inputs, Told::kShapes);
    infer_shapes(graph);
    for (const Value& output : graph.outputs)
      totals.fully_inferred += output.type.static_shape().has_value();
  }
  return "";
}

// False where the model is of an opset that cannot be lifted.
bool lift(Model& model) {
  try {
    model = lifted(model);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void run_case(const Executor& executor, const OnnxCase& onnx_case, Totals& totals) {
  const std::string label = onnx_case.group + "/" + onnx_case.name;
  const auto leave_out = [&](const std::string& reason) {
    totals.left_out[reason].push_back(label);
  };
  if (const Exclusion* exclusion = exclusion_of(executor.name, onnx_case.name))
    return leave_out(text("excluded: ", exclusion->reason));
  SCOPED_TRACE(label);
  try {
    Model model = read_model(onnx_case.model);
    if (!has_tensors_only(model)) return leave_out("excluded: sequences or optional values");
    // The node cases show the newest form of an operator, whatever opset they declare.
    if (onnx_case.group != "node" && !lift(model)) return leave_out("needs lift");
    const std::string missing = unsupported_operators(executor, model.graph);
    if (!missing.empty()) return leave_out("unsupported: " + missing);
    const std::string type = unsupported_type(executor, read_data(onnx_case, model));
    if (!type.empty()) return leave_out("unsupported: tensors of type " + type);
    ++totals.run[onnx_case.group];
    EXPECT_EQ(failure(executor, model, onnx_case, totals), "");
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

void print(const Totals& totals) {
  for (const auto& [group, count] : totals.run)
    std::cout << "run: " << count << " of " << group << "\n";
  std::cout << "outputs inferred in full: " << totals.fully_inferred << "\n";
  std::map<std::string, size_t> kinds;  // of what was left out
  for (const auto& [reason, cases] : totals.left_out)
    kinds[reason.substr(0, reason.find(':'))] += cases.size();
  for (const auto& [kind, count] : kinds) std::cout << kind << ": " << count << "\n";
  for (const auto& [reason, cases] : totals.left_out) {
    std::cout << cases.size() << " left out, " << reason << ":";
    for (const std::string& name : cases) std::cout << " " << name;
    std::cout << "\n";
  }
}

class Conformance : public testing::TestWithParam<Judged> {};

TEST_P(Conformance, ComputesWhatOnnxSays) {
  const Executor* executor = Registry<Executor>::find(GetParam().executor);
  if (!executor) GTEST_SKIP() << "this build has no executor '" << GetParam().executor << "'";
  if (onnx_cases().empty())
    GTEST_SKIP() << "no ONNX test cases in " << onnx_cases_folder()
                 << ": unzip the onnx wheel there, or name the folder in HALFTONE_ONNX_CASES";
  Totals totals;
  for (const OnnxCase& onnx_case : onnx_cases()) run_case(*executor, onnx_case, totals);
  print(totals);
  EXPECT_GE(totals.run["node"], GetParam().least_node_cases);
  int networks = 0;
  for (const auto& [group, count] : totals.run)
    if (group != "node") networks += count;
  EXPECT_GE(networks, GetParam().least_networks);
}

INSTANTIATE_TEST_SUITE_P(Executors, Conformance, testing::ValuesIn(kJudged),
                         [](const auto& entry) { return std::string(entry.param.executor); });

}  // namespace
}  // namespace halftone

// For tests: one node, run through its kernel or its inference.
//
//   Tensor y = run("Relu", {x})[0];
//   ValueType type = inferred("Conv", {type_of({"batch", 3, 8, 8}), ...}, {{"strides",
//   std::vector<int64_t>{2, 2}}});
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"

namespace halftone::testing_ops {

inline Node node(const std::string& op_type, std::vector<std::string> inputs,
                 std::vector<std::string> outputs, Attributes attributes = {}) {
  Node result;
  result.name = "under_test";
  result.op_type = op_type;
  result.inputs = std::move(inputs);
  result.outputs = std::move(outputs);
  result.attributes = std::move(attributes);
  return result;
}

inline Node node_of(const std::string& op_type, size_t inputs, Attributes attributes,
                    size_t outputs) {
  Node result = node(op_type, {}, {}, std::move(attributes));
  for (size_t i = 0; i < inputs; ++i) result.inputs.push_back("in" + std::to_string(i));
  for (size_t i = 0; i < outputs; ++i) result.outputs.push_back("out" + std::to_string(i));
  return result;
}

// An undefined tensor is an input that is left out.
inline Tensors run(const std::string& op_type, const Tensors& inputs, Attributes attributes = {},
                   size_t outputs = 1) {
  Node tested = node_of(op_type, inputs.size(), std::move(attributes), outputs);
  std::vector<const Tensor*> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    values.push_back(inputs[i].defined() ? &inputs[i] : nullptr);
    if (!inputs[i].defined()) tested.inputs[i].clear();
  }
  return evaluate_node(tested, values);
}

// {"batch", 3, 8}: names are symbols, "?" is an unknown dimension.
using DimLike = std::variant<int, std::string>;
inline SymbolicShape dims(const std::vector<DimLike>& values) {
  SymbolicShape result;
  for (const DimLike& value : values) {
    if (const int* size = std::get_if<int>(&value))
      result.push_back(Dim::of(*size));
    else
      result.push_back(
          {-1, std::get<std::string>(value) == "?" ? "" : std::get<std::string>(value)});
  }
  return result;
}

// An input that inference sees: only its shape, or a constant.
struct Seen {
  Seen(const std::vector<DimLike>& shape, DType dtype = DType::kFloat) : type{dtype, dims(shape)} {}
  Seen(Tensor tensor) : type(halftone::type_of(tensor)), constant(std::move(tensor)) {}
  ValueType type;
  Tensor constant;
};

inline ValueType inferred(const std::string& op_type, const std::vector<Seen>& inputs,
                          Attributes attributes = {}, size_t output = 0) {
  Graph graph;
  graph.nodes.push_back(node_of(op_type, inputs.size(), std::move(attributes), output + 1));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = graph.nodes[0].inputs[i];
    if (inputs[i].constant.defined())
      graph.initializers[name] = inputs[i].constant;
    else
      graph.inputs.push_back({name, inputs[i].type, {}});
  }
  infer_shapes(graph);
  return graph.value_types["out" + std::to_string(output)];
}

inline std::string inferred_shape(const std::string& op_type, const std::vector<Seen>& inputs,
                                  Attributes attributes = {}, size_t output = 0) {
  const ValueType type = inferred(op_type, inputs, std::move(attributes), output);
  return type.shape ? to_string(*type.shape) : "unknown";
}

inline Tensor int64s(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return Tensor::of<int64_t>({count}, std::move(values));
}

}  // namespace halftone::testing_ops

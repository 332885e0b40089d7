#include "halftone/graph/op.h"

#include <utility>

namespace halftone {

const Tensor& KernelInputs::operator[](size_t i) const {
  if (!has(i)) throw Error(node.label(), ": input ", i, " is missing");
  return *values[i];
}

InferenceContext::InferenceContext(const Node& node, std::vector<ValueType> inputs,
                                   std::vector<const Tensor*> constants,
                                   std::vector<std::optional<SymbolicShape>> contents)
    : node_(node),
      inputs_(std::move(inputs)),
      constants_(std::move(constants)),
      contents_(std::move(contents)),
      outputs_(node.outputs.size()),
      output_contents_(node.outputs.size()) {}

const ValueType& InferenceContext::input(size_t i) const {
  static const ValueType kUnknown;
  return i < inputs_.size() ? inputs_[i] : kUnknown;
}

const Tensor* InferenceContext::constant(size_t i) const {
  return i < constants_.size() ? constants_[i] : nullptr;
}

const std::optional<SymbolicShape>& InferenceContext::contents(size_t i) const {
  static const std::optional<SymbolicShape> kUnknown;
  return i < contents_.size() ? contents_[i] : kUnknown;
}

void InferenceContext::set_output(size_t i, DType dtype, std::optional<SymbolicShape> shape) {
  if (i < outputs_.size()) outputs_[i] = {dtype, std::move(shape)};
}

void InferenceContext::set_contents(size_t i, SymbolicShape elements) {
  if (i < output_contents_.size()) output_contents_[i] = std::move(elements);
}

const GraphOp* find_op(const Node& node) {
  if (!node.domain.empty() && node.domain != "ai.onnx") return nullptr;
  return Registry<GraphOp>::find(node.op_type);
}

void same_type_as_input(InferenceContext& context) {
  context.set_output(0, context.input(0).dtype, context.input(0).shape);
}

}  // namespace halftone

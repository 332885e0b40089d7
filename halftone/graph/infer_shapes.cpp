#include "halftone/graph/infer_shapes.h"

#include <algorithm>
#include <unordered_map>

#include "halftone/graph/op.h"

namespace halftone {
namespace {

// Elements of a small integer constant, as contents.
std::optional<SymbolicShape> contents_of(const Tensor& tensor) {
  if (tensor.dtype() != DType::kInt64 || tensor.rank() > 1 || tensor.count() > 64)
    return std::nullopt;
  SymbolicShape result;
  for (int64_t value : tensor.elements<int64_t>()) {
    if (value < 0)
      return std::nullopt;  // Dim cannot hold it; such constants are read through constant()
    result.push_back(Dim::of(value));
  }
  return result;
}

// What is told twice: keeps what is known on either side, the first where they disagree in symbols.
ValueType merged(const ValueType& inferred, const ValueType& declared) {
  ValueType result = inferred;
  if (result.dtype == DType::kUndefined) result.dtype = declared.dtype;
  if (!result.shape) {
    result.shape = declared.shape;
  } else if (declared.shape && declared.shape->size() == result.shape->size()) {
    for (size_t i = 0; i < result.shape->size(); ++i) {
      Dim& dim = (*result.shape)[i];
      const Dim& other = (*declared.shape)[i];
      if (!dim.known() && (other.known() || dim.symbol.empty())) dim = other;
    }
  }
  return result;
}

}  // namespace

ShapeFacts infer_shapes(Graph& graph) {
  std::unordered_map<std::string, ValueType> types;
  for (const Value& value : graph.inputs) types[value.name] = value.type;
  for (const auto& [name, tensor] : graph.initializers)
    if (!types.contains(name)) types[name] = type_of(tensor);

  ShapeFacts facts;
  auto& [known, contents] = facts;
  for (const Node& node : graph.nodes) {
    std::vector<ValueType> inputs;
    std::vector<const Tensor*> constants;
    std::vector<std::optional<SymbolicShape>> input_contents;
    for (const std::string& name : node.inputs) {
      inputs.push_back(types[name]);
      const auto found = known.find(name);
      constants.push_back(found != known.end() ? &found->second : graph.constant(name));
      const auto known_contents = contents.find(name);
      if (known_contents != contents.end())
        input_contents.emplace_back(known_contents->second);
      else
        input_contents.push_back(constants.back() ? contents_of(*constants.back()) : std::nullopt);
    }
    InferenceContext context(node, std::move(inputs), std::move(constants),
                             std::move(input_contents));
    if (const GraphOp* op = find_op(node)) {
      try {
        op->infer(context);
      } catch (const Error& error) {
        throw Error("inferring the shape of ", node.label(), ": ", error.what());
      }
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const std::string& name = node.outputs[i];
      if (name.empty()) continue;
      types[name] = merged(context.outputs()[i], graph.type(name));
      if (const auto& elements = context.output_contents()[i]) {
        contents[name] = *elements;
        if (std::ranges::all_of(*elements, &Dim::known)) {
          std::vector<int64_t> values;
          for (const Dim& dim : *elements) values.push_back(dim.value);
          const bool is_scalar = types[name].shape && types[name].shape->empty();
          const Shape shape = is_scalar ? Shape{} : Shape{static_cast<int64_t>(values.size())};
          known.emplace(name, Tensor::of<int64_t>(shape, std::move(values)));
        }
      }
      graph.value_types[name] = types[name];
    }
  }
  for (Value& output : graph.outputs) {
    output.type = merged(types[output.name], output.type);
    graph.value_types.erase(output.name);
  }
  return facts;
}

}  // namespace halftone

#include "halftone/graph/ops/arguments.h"

#include <algorithm>
#include <charconv>

namespace halftone {

size_t normalized_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    throw Error("axis ", axis, " is out of range for a tensor of ", rank, " dimensions");
  return static_cast<size_t>(axis < 0 ? axis + rank : axis);
}

std::vector<size_t> normalized_axes(const std::vector<int64_t>& axes, int64_t rank) {
  std::vector<size_t> result;
  for (int64_t axis : axes) result.push_back(normalized_axis(axis, rank));
  std::ranges::sort(result);
  if (const auto twice = std::ranges::adjacent_find(result); twice != result.end())
    throw Error("axis ", *twice, " is given twice");
  return result;
}

Dim element_of(int64_t value) {
  return value >= 0 ? Dim::of(value) : Dim{-1, std::to_string(value)};
}

std::optional<int64_t> value_of(const Dim& element) {
  if (element.known()) return element.value;
  const std::string& symbol = element.symbol;
  int64_t value = 0;
  if (symbol.size() < 2 || symbol[0] != '-') return std::nullopt;
  const auto [end, code] = std::from_chars(symbol.data(), symbol.data() + symbol.size(), value);
  if (code != std::errc() || end != symbol.data() + symbol.size()) return std::nullopt;
  return value;
}

std::optional<SymbolicShape> known_elements(const InferenceContext& context, size_t input) {
  const Tensor* constant = context.constant(input);
  if (!constant) return context.contents(input);
  constexpr int64_t kMostRead = 1024;  // no argument that shapes follow from is longer
  if (!is_integer(constant->dtype()) || constant->rank() > 1 || constant->count() > kMostRead)
    return std::nullopt;
  SymbolicShape result;
  for (int64_t value : constant->to_vector<int64_t>()) result.push_back(element_of(value));
  return result;
}

std::optional<std::vector<int64_t>> known_values(const InferenceContext& context, size_t input) {
  const auto elements = known_elements(context, input);
  if (!elements) return std::nullopt;
  std::vector<int64_t> result;
  for (const Dim& element : *elements) {
    const auto value = value_of(element);
    if (!value) return std::nullopt;
    result.push_back(*value);
  }
  return result;
}

IntsArgument ints_argument(const InferenceContext& context, size_t input, const char* attribute) {
  if (context.has(input)) {
    IntsArgument result{true, known_values(context, input)};
    const Tensor* constant = context.constant(input);
    if (constant && !result.values)
      throw Error(attribute, " is a ", name_of(constant->dtype()), " tensor of shape ",
                  to_string(constant->shape()), " instead of a short list of integers");
    return result;
  }
  if (!context.node().has(attribute)) return {};
  return {true, context.node().ints_or(attribute, {})};
}

std::optional<std::vector<int64_t>> ints_argument(const KernelInputs& in, size_t input,
                                                  const char* attribute) {
  if (in.has(input)) return in[input].to_vector<int64_t>();
  if (!in.node.has(attribute)) return std::nullopt;
  return in.node.ints_or(attribute, {});
}

TensorType output_type(const KernelInputs& in, void (*infer)(InferenceContext&), size_t output) {
  std::vector<ValueType> types;
  for (const Tensor* value : in.values) types.push_back(value ? type_of(*value) : ValueType{});
  std::vector<const Tensor*> constants(in.values.begin(), in.values.end());
  InferenceContext context(in.node, std::move(types), std::move(constants), {});
  infer(context);
  if (output >= context.outputs().size()) throw Error("the node has no output ", output);
  const ValueType& type = context.outputs()[output];
  const auto shape = type.static_shape();
  if (!shape) throw Error("the shape of output ", output, " does not follow from the inputs");
  if (element_count(*shape) > kMostElements)
    throw Error("the output would have shape ", to_string(*shape), ", more than 2^31 elements");
  return {type.dtype, *shape};
}

}  // namespace halftone

#include "halftone/runtime/load_context.h"

#include <algorithm>
#include <cmath>

#include "halftone/graph/interpreter.h"
#include "halftone/graph/ops/arguments.h"
#include "halftone/quant/spec.h"

namespace halftone::runtime {
namespace {

// Scale and zero point of a Q or DQ where both are constant and there is one of each.
struct TensorScale {
  float scale = 0;
  int64_t zero_point = 0;
};

std::optional<TensorScale> tensor_scale(const Graph& graph, const Node& node) {
  const Tensor* scale = graph.constant(node.input(1));
  const Tensor* zero_point = node.input(2).empty() ? nullptr : graph.constant(node.input(2));
  if (!scale || scale->dtype() != DType::kFloat || scale->count() != 1) return std::nullopt;
  if (!node.input(2).empty() &&
      (!zero_point || zero_point->count() != 1 || !is_integer(zero_point->dtype())))
    return std::nullopt;
  if (node.int_or("block_size", 0) != 0) return std::nullopt;
  const TensorScale result{scale->item<float>(), zero_point ? zero_point->item<int64_t>() : 0};
  if (!(result.scale > 0) || !std::isfinite(result.scale) || std::abs(result.zero_point) > 255)
    return std::nullopt;
  return result;
}

// Codes lie in bytes. Narrower ones are bytes behind a Clip; types of 4 and 2 bits, which are
// packed, are left to the plain loops.
std::optional<CodeRange> code_range(DType dtype) {
  if (!is_integer(dtype) || bits_of(dtype) != 8) return std::nullopt;
  return full_range(8, is_signed_integer(dtype));
}

// Bounds of a Clip over floats; nullopt where they are computed.
struct Bounds {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

std::optional<Bounds> activation_bounds(const Graph& graph, const Node& node) {
  if (node.op_type == "Relu") return Bounds{.low = 0};
  if (node.op_type != "Clip") return std::nullopt;
  Bounds bounds;
  for (size_t i : {size_t{1}, size_t{2}}) {
    if (node.input(i).empty()) continue;
    const Tensor* bound = graph.constant(node.input(i));
    if (!bound || bound->count() != 1 || bound->dtype() != DType::kFloat) return std::nullopt;
    (i == 1 ? bounds.low : bounds.high) = bound->item<float>();
  }
  return bounds;
}

// Narrows `range` by an integer Clip.
bool narrow(const Graph& graph, const Node& clip, CodeRange& range) {
  if (clip.op_type != "Clip") return false;
  const Tensor* low = clip.input(1).empty() ? nullptr : graph.constant(clip.input(1));
  const Tensor* high = clip.input(2).empty() ? nullptr : graph.constant(clip.input(2));
  if ((!clip.input(1).empty() && !low) || (!clip.input(2).empty() && !high)) return false;
  const auto bound = [](const Tensor* tensor, int32_t fallback) {
    return tensor ? static_cast<int32_t>(std::clamp<int64_t>(tensor->item<int64_t>(), -1024, 1024))
                  : fallback;
  };
  range.qmin = std::max(range.qmin, bound(low, range.qmin));
  range.qmax = std::min(range.qmax, bound(high, range.qmax));
  return true;
}

// The code of a bound, which may be infinite.
int32_t bound_code(float bound, const TensorScale& scale, CodeRange range) {
  return quantize(
      std::isinf(bound) ? std::copysign(std::numeric_limits<float>::max(), bound) : bound,
      scale.scale, static_cast<int32_t>(scale.zero_point), range);
}

}  // namespace

LoadContext::LoadContext(const Graph& graph, const LoadOptions& options)
    : graph_(graph), options_(options), links_(graph), absorbed_(graph.nodes.size()) {}

Shape LoadContext::shape(const std::string& name) const {
  const auto shape = graph_.type(name).static_shape();
  if (!shape)
    throw Error("loading for the native runtime: the shape of '", name,
                "' depends on data; only fixed shapes can be planned for");
  return *shape;
}

const Node* LoadContext::producer(const std::string& name) const {
  const int index = links_.producer(name);
  return index < 0 ? nullptr : &graph_.nodes[static_cast<size_t>(index)];
}

std::optional<int> LoadContext::find(const std::map<std::string, int>& ids,
                                     const std::string& name) {
  const auto found = ids.find(name);
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

std::optional<CodedInput> LoadContext::coded(const std::string& name) const {
  if (const auto id = find_codes(name)) return CodedInput{*id, value(*id).codes};
  const Node* dequantizer = producer(name);
  if (!dequantizer || dequantizer->op_type != "DequantizeLinear") return std::nullopt;
  const auto id = find_codes(dequantizer->input(0));
  const auto scale = tensor_scale(graph_, *dequantizer);
  if (!id || !scale) return std::nullopt;
  CodeType type = value(*id).codes;
  type.scale = scale->scale;
  type.zero_point = static_cast<int32_t>(scale->zero_point) - type.shift;
  return CodedInput{*id, type};
}

std::optional<QuantizedConstant> LoadContext::quantized_constant(const std::string& name) const {
  const Node* node = producer(name);
  if (!node || node->op_type != "DequantizeLinear" || node->int_or("block_size", 0) != 0)
    return std::nullopt;
  const Tensor* codes = graph_.constant(node->input(0));
  const Tensor* scales = graph_.constant(node->input(1));
  const Tensor* zero_points = node->input(2).empty() ? nullptr : graph_.constant(node->input(2));
  if (!codes || !scales || !is_integer(codes->dtype()) || scales->dtype() != DType::kFloat)
    return std::nullopt;
  if ((!node->input(2).empty() && !zero_points) ||
      (zero_points &&
       (zero_points->count() != scales->count() || zero_points->dtype() != codes->dtype())))
    return std::nullopt;
  QuantizedConstant constant{
      .codes = *codes, .scales = scales->to_vector<float>(), .zero_points = {}};
  constant.zero_points.resize(constant.scales.size());
  if (zero_points) constant.zero_points = zero_points->to_vector<int32_t>();
  if (scales->count() != 1) {
    const int64_t axis = node->int_or("axis", 1);
    constant.axis = axis < 0 ? axis + codes->rank() : axis;
    const bool fits = constant.axis >= 0 && constant.axis < codes->rank() &&
                      codes->shape()[static_cast<size_t>(constant.axis)] == scales->count();
    if (!fits) return std::nullopt;
  }
  return constant;
}

Tensor LoadContext::constant(const std::string& name) const {
  if (const Tensor* tensor = graph_.constant(name)) return *tensor;
  const Node* node = producer(name);
  if (!node || node->op_type != "DequantizeLinear") return {};
  const auto inputs = constant_inputs(graph_, *node);
  return inputs ? evaluate_node(*node, *inputs).at(0) : Tensor();
}

std::optional<QuantizedOutput> LoadContext::quantizer(int index, float low, float high) const {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  const auto scale = tensor_scale(graph_, node);
  auto range = code_range(graph_.type(node.outputs.at(0)).dtype);
  if (!scale || !range || node.int_or("saturate", 1) != 1 || node.has("precision"))
    return std::nullopt;
  QuantizedOutput result{node.outputs.at(0), {}, {index}};
  const int clip = links_.only_consumer(result.name);
  if (clip >= 0 && narrow(graph_, graph_.nodes[static_cast<size_t>(clip)], *range)) {
    result.name = graph_.nodes[static_cast<size_t>(clip)].outputs[0];
    result.nodes.push_back(clip);
  }
  if (range->qmin >= range->qmax) return std::nullopt;
  // Rounding never swaps two values, so bounding the value and bounding its code are the same.
  *range = {bound_code(low, *scale, *range), bound_code(high, *scale, *range)};
  if (range->qmin >= range->qmax) return std::nullopt;
  result.type = {.scale = scale->scale,
                 .zero_point = static_cast<int32_t>(scale->zero_point) - range->qmin,
                 .qmax = range->qmax - range->qmin,
                 .shift = range->qmin};
  return result;
}

std::optional<QuantizedOutput> LoadContext::quantized_output(const Node& node) const {
  if (node.op_type == "QuantizeLinear")
    return quantizer(index_of(node), -std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::infinity());
  std::vector<int> activations;
  Bounds bounds;
  const std::string* value = &node.outputs.at(0);
  while (true) {
    const int next = links_.only_consumer(*value);
    if (next < 0) return std::nullopt;
    const Node& reader = graph_.nodes[static_cast<size_t>(next)];
    if (reader.op_type == "QuantizeLinear" && reader.input(0) == *value) {
      auto result = quantizer(next, bounds.low, bounds.high);
      if (result)
        result->nodes.insert(result->nodes.begin(), activations.begin(), activations.end());
      return result;
    }
    const auto narrower = activation_bounds(graph_, reader);
    if (!narrower || reader.input(0) != *value) return std::nullopt;
    const auto clipped = [&](float bound) {
      return std::min(std::max(bound, narrower->low), narrower->high);
    };
    bounds = {clipped(bounds.low), clipped(bounds.high)};
    activations.push_back(next);
    value = &reader.outputs.at(0);
  }
}

int LoadContext::add(Value added) {
  const int id = static_cast<int>(program_.values.size());
  (added.is_codes ? codes_ : plain_)[added.name] = id;
  program_.values.push_back(std::move(added));
  return id;
}

int LoadContext::add_codes(const QuantizedOutput& output) {
  for (int node : output.nodes) absorbed_[static_cast<size_t>(node)] = true;
  const Shape dims = shape(output.name);
  return add({.name = output.name,
              .shape = dims,
              .is_codes = true,
              .codes = output.type,
              .layout = layout_of(dims)});
}

int LoadContext::add_plain(const std::string& name) {
  const ValueType type = graph_.type(name);
  if (bits_of(type.dtype) == 0)
    throw Error("loading for the native runtime: the type of '", name,
                "' is not known or not numeric");
  const Shape dims = shape(name);
  if (element_count(dims) > kMostElements)
    throw Error("loading for the native runtime: '", name, "' has the shape ", to_string(dims),
                ", which is too large: more than ", kMostElements, " elements");
  return add({.name = name, .shape = dims, .layout = {}, .dtype = type.dtype});
}

bool LoadContext::can_widen(const CodedInput& input) const {
  const auto other = border_zero_.find(input.value);
  return input.type.has_zero() &&
         (other == border_zero_.end() || other->second == input.type.zero_point);
}

void LoadContext::widen(const CodedInput& input, int64_t top, int64_t left, int64_t bottom,
                        int64_t right) {
  if (top + left + bottom + right == 0) return;
  border_zero_[input.value] = input.type.zero_point;
  Value& widened = program_.values[static_cast<size_t>(input.value)];
  widened.border_zero = static_cast<uint8_t>(input.type.zero_point);
  widened.layout.widen(top, left, bottom, right);
}

}  // namespace halftone::runtime

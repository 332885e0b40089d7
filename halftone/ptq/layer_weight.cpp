#include "halftone/ptq/layer_weight.h"

namespace halftone {

std::optional<LayerWeight> LayerWeight::of(const Graph& graph, const Node& node) {
  const bool is_conv = node.op_type == "Conv", is_gemm = node.op_type == "Gemm";
  const Tensor* tensor =
      node.domain.empty() && (is_conv || is_gemm) ? graph.constant(node.input(1)) : nullptr;
  if (!tensor || !is_floating(tensor->dtype()) || tensor->rank() < 2 || tensor->count() == 0)
    return std::nullopt;
  if (is_gemm && (tensor->rank() != 2 || node.int_or("transA", 0) != 0)) return std::nullopt;
  const auto first = static_cast<size_t>(tensor->shape()[0]),
             second = static_cast<size_t>(tensor->shape()[1]);
  const auto groups = static_cast<size_t>(is_conv ? node.int_or("group", 1) : 1);
  if (groups == 0 || first % groups != 0) return std::nullopt;

  LayerWeight weight;
  weight.values = tensor->to_vector<double>();
  weight.has_inputs_first = is_gemm && node.int_or("transB", 0) == 0;
  weight.outputs = weight.has_inputs_first ? second : first;
  weight.inputs_per_group = weight.has_inputs_first ? first : second;
  weight.inputs = weight.inputs_per_group * groups;
  weight.outputs_per_group = weight.outputs / groups;
  weight.kernel = weight.values.size() / (first * second);
  return weight;
}

size_t LayerWeight::output_of(size_t element) const {
  return has_inputs_first ? element % outputs : element / (kernel * inputs_per_group);
}

size_t LayerWeight::input_of(size_t element) const {
  if (has_inputs_first) return element / outputs;
  const size_t group = output_of(element) / outputs_per_group;
  return group * inputs_per_group + element / kernel % inputs_per_group;
}

double share_of_product(const Node& node) {
  return node.op_type == "Gemm" ? node.float_or("alpha", 1) : 1.0;
}

double share_of_bias(const Node& node) {
  return node.op_type == "Gemm" ? node.float_or("beta", 1) : 1.0;
}

}  // namespace halftone

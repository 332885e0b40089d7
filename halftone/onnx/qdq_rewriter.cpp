#include "halftone/onnx/qdq_rewriter.h"

#include <algorithm>
#include <utility>

namespace halftone {

QdqRewriter::QdqRewriter(const Graph& source) : source_(source), graph_(source), links_(source) {
  graph_.nodes.clear();
  for (const Value& value : source.inputs) taken_.insert(value.name);
  for (const auto& [name, tensor] : source.initializers) taken_.insert(name);
  for (const Node& node : source.nodes) taken_.insert(node.outputs.begin(), node.outputs.end());
}

std::string QdqRewriter::unique(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 1; !taken_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
  return name;
}

std::string QdqRewriter::constant(const std::string& wanted, Tensor value) {
  const std::string name = unique(wanted);
  graph_.initializers[name] = std::move(value);
  return name;
}

const Tensor& QdqRewriter::required(const Node& node, size_t input, const char* role) const {
  if (const Tensor* value = graph_.constant(node.input(input))) return *value;
  throw Error("rewriting ", node.label(), ": its ", role, " '", node.input(input),
              "' is computed; it must be constant");
}

void QdqRewriter::add(Node node) { graph_.nodes.push_back(std::move(node)); }

std::string QdqRewriter::dequantized(const std::string& codes, const std::string& scale,
                                     const std::string& zero_point, int64_t axis) {
  const std::string output = unique(codes + "_DequantizeLinear");
  Node dq{
      .name = output, .op_type = "DequantizeLinear", .inputs = {codes, scale}, .outputs = {output}};
  if (!zero_point.empty()) dq.inputs.push_back(zero_point);
  if (axis >= 0) dq.attributes["axis"] = axis;
  add(std::move(dq));
  return output;
}

void QdqRewriter::quantize(const std::string& value, const std::string& scale,
                           const std::string& zero_point, const std::string& like,
                           const std::string& output) {
  Node q{
      .name = output, .op_type = "QuantizeLinear", .inputs = {value, scale}, .outputs = {output}};
  if (!zero_point.empty())
    q.inputs.push_back(zero_point);
  else if (source_.type(like).dtype == DType::kInt8)
    q.inputs.push_back(constant(output + "_zero_point", Tensor::scalar<int8_t>(0)));
  add(std::move(q));
}

int64_t QdqRewriter::axis_of(const std::string& scale, int64_t axis) const {
  const Tensor* value = graph_.constant(scale);
  return value && value->count() > 1 ? axis : -1;
}

Graph QdqRewriter::finish() { return std::move(graph_); }

}  // namespace halftone

// QLinearConv and its kin: each is DQ on every input, the float operator, Q.
#include <utility>

#include "halftone/onnx/qdq_rewriter.h"

namespace halftone {
namespace {

void require_channels_first(const Node& node) {
  if (node.int_or("channels_last", 0) != 0)
    throw Error("rewriting ", node.label(),
                ": channels_last = 1 is an optimiser's layout; give the model that was optimised");
}

// x, w and y with their parameters at inputs 0, 3 and 6.
std::string input_at(QdqRewriter& r, const Node& node, size_t i, int64_t axis = -1) {
  return r.dequantized(node.input(i), node.input(i + 1), node.input(i + 2),
                       r.axis_of(node.input(i + 1), axis));
}

void make_output(QdqRewriter& r, const Node& source, size_t scale, Node node) {
  const std::string value = r.unique(source.outputs[0] + "_float");
  node.name = source.name;
  node.outputs = {value};
  r.add(std::move(node));
  r.quantize(value, source.input(scale), source.input(scale + 1), source.input(0),
             source.outputs[0]);
}

// The bias of a convolution or Gemm is int32 at x_scale * w_scale (* alpha), multiplied in float32.
std::string bias(QdqRewriter& r, const Node& node, size_t input, float alpha = 1) {
  const auto x = r.required(node, 1, "scale").item<float>();
  const Tensor& weight = r.required(node, 4, "weight's scale");
  auto scales = weight.to_vector<float>();
  for (float& scale : scales) scale = alpha == 1 ? x * scale : alpha * x * scale;
  const bool is_one = scales.size() == 1;
  const Shape shape = is_one ? Shape{} : Shape{static_cast<int64_t>(scales.size())};
  const std::string name =
      r.constant(node.input(input) + "_scale", Tensor::of<float>(shape, std::move(scales)));
  return r.dequantized(node.input(input), name, "", is_one ? -1 : 0);
}

void conv(QdqRewriter& r, Node node) {
  Node float_node{.op_type = "Conv",
                  .inputs = {input_at(r, node, 0), input_at(r, node, 3, 0)},
                  .attributes = node.attributes};
  if (!node.input(8).empty()) float_node.inputs.push_back(bias(r, node, 8));
  make_output(r, node, 6, std::move(float_node));
}

// Scales of a matrix: one for it, one a row on the left, one a column on the right.
int64_t matrix_axis(const QdqRewriter& r, const Node& node, size_t i, bool is_left) {
  if (r.axis_of(node.input(i + 1), 0) < 0) return -1;
  const auto shape = r.source().type(node.input(i)).shape;
  const Tensor* scale = r.source().constant(node.input(i + 1));
  if (!shape || shape->size() < 2 || !scale || scale->rank() != 1)
    throw Error(
        "rewriting ", node.label(),
        ": a scale for each row or column needs a matrix of known rank and a scale of rank 1");
  return static_cast<int64_t>(shape->size()) - (is_left ? 2 : 1);
}

void matmul(QdqRewriter& r, Node node) {
  make_output(r, node, 6,
              {.op_type = "MatMul",
               .inputs = {input_at(r, node, 0, matrix_axis(r, node, 0, true)),
                          input_at(r, node, 3, matrix_axis(r, node, 3, false))}});
}

void gemm(QdqRewriter& r, Node node) {
  const auto axis = node.int_or("transB", 0) ? 0 : 1;
  Node float_node{.name = node.name,
                  .op_type = "Gemm",
                  .inputs = {input_at(r, node, 0), input_at(r, node, 3, axis)},
                  .outputs = node.outputs,
                  .attributes = node.attributes};
  if (!node.input(6).empty())
    float_node.inputs.push_back(bias(r, node, 6, node.float_or("alpha", 1)));
  if (node.input(7).empty())
    r.add(std::move(float_node));  // without an output scale it gives float
  else
    make_output(r, node, 7, std::move(float_node));
}

template <const char* kOp>
void binary(QdqRewriter& r, Node node) {
  make_output(r, node, 6, {.op_type = kOp, .inputs = {input_at(r, node, 0), input_at(r, node, 3)}});
}

template <const char* kOp>
void unary(QdqRewriter& r, Node node) {
  require_channels_first(node);
  Attributes attributes = node.attributes;
  attributes.erase("channels_last");
  make_output(
      r, node, 3,
      {.op_type = kOp, .inputs = {input_at(r, node, 0)}, .attributes = std::move(attributes)});
}

void softmax(QdqRewriter& r, Node node) {
  const auto shape = r.source().type(node.input(0)).shape;
  const int64_t axis = node.int_or("axis", -1);
  const bool is_last = axis == -1 || (shape && axis == static_cast<int64_t>(shape->size()) - 1);
  if (node.int_or("opset", 13) < 13 && !is_last)
    throw Error("rewriting ", node.label(), ": a Softmax of opset ", node.int_or("opset", 13),
                " over axis ", axis, " and those behind it; only the last axis is supported");
  make_output(
      r, node, 3,
      {.op_type = "Softmax", .inputs = {input_at(r, node, 0)}, .attributes = {{"axis", axis}}});
}

void concat(QdqRewriter& r, Node node) {
  Node float_node{.op_type = "Concat", .attributes = node.attributes};
  for (size_t i = 2; i + 1 < node.inputs.size(); i += 3)
    float_node.inputs.push_back(input_at(r, node, i));
  const std::string value = r.unique(node.outputs[0] + "_float");
  float_node.name = node.name;
  float_node.outputs = {value};
  r.add(std::move(float_node));
  r.quantize(value, node.input(0), node.input(1), node.input(2), node.outputs[0]);
}

// onnxruntime's Q and DQ for types that older opsets lack.
void standard(QdqRewriter& r, Node node) {
  node.domain.clear();
  const Tensor* zero_point = r.source().constant(node.input(2));
  const int bits = zero_point ? bits_of(zero_point->dtype()) : 8;
  r.needs_opset(bits == 8 || bits == 32 ? 13 : bits == 2 ? 25 : 21);
  r.add(std::move(node));
}

constexpr char kAdd[] = "Add", kMul[] = "Mul", kSigmoid[] = "Sigmoid", kLeakyRelu[] = "LeakyRelu",
               kAveragePool[] = "AveragePool", kGlobalAveragePool[] = "GlobalAveragePool";

HALFTONE_REGISTER(QuantizedForm, "QLinearConv", conv);
HALFTONE_REGISTER(QuantizedForm, "QLinearMatMul", matmul);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearConv", conv);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QGemm", gemm);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearAdd", binary<kAdd>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearMul", binary<kMul>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearSigmoid", unary<kSigmoid>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearLeakyRelu", unary<kLeakyRelu>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearAveragePool", unary<kAveragePool>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearGlobalAveragePool",
                  unary<kGlobalAveragePool>);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearSoftmax", softmax);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearConcat", concat);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QuantizeLinear", standard);
HALFTONE_REGISTER(QuantizedForm, "com.microsoft.DequantizeLinear", standard);

}  // namespace
}  // namespace halftone

// FakeQuantize (OpenVINO), Quant and BipolarQuant (QONNX): rounding in one operator, for weights
// and activations.
#include <algorithm>
#include <cmath>

#include "halftone/onnx/qdq_rewriter.h"
#include "halftone/quant/quant_tensor.h"

namespace halftone {
namespace {

// Rounding to the codes 0 .. levels-1: x' = (q - zero_point) * scale; one number, or one for each
// index of `axis`.
struct Rounding {
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
  int axis = -1;
  int bits = 8;
  CodeRange range;
};

// The axis along which a parameter of shape [1,C,1,1] varies in a tensor of rank `rank`; -1 for one
// number.
int varying_axis(const Node& node, const Tensor& parameter, int64_t rank) {
  int axis = -1;
  for (int64_t i = 0; i < parameter.rank(); ++i) {
    if (parameter.shape()[static_cast<size_t>(i)] == 1) continue;
    if (axis >= 0)
      throw Error("rewriting ", node.label(),
                  ": parameters that vary along two axes have no QDQ form");
    axis = static_cast<int>(i + (rank > 0 ? rank - parameter.rank() : 0));
  }
  return axis;
}

int64_t rank_of(const QdqRewriter& r, const std::string& name) {
  const auto shape = r.source().type(name).shape;
  return shape ? static_cast<int64_t>(shape->size()) : 0;
}

// Codes of a constant, or Q -> Clip -> DQ of an activation. Both give what the operator gave.
void round_in_qdq(QdqRewriter& r, const Node& node, const Rounding& how) {
  const bool is_wide = how.bits > 8;
  const Shape shape = how.axis < 0 ? Shape{} : Shape{static_cast<int64_t>(how.scales.size())};
  if (is_wide) r.needs_opset(21);
  const auto add_zero_points = [&](DType dtype, int32_t shift) {
    std::vector<double> zeros;
    for (int32_t zero : how.zero_points) zeros.push_back(zero - shift);
    return r.constant(node.outputs[0] + "_zero_point", Tensor::from_doubles(dtype, shape, zeros));
  };
  const std::string scale =
      r.constant(node.outputs[0] + "_scale", Tensor::of<float>(shape, how.scales));
  Node dq{.name = node.name, .op_type = "DequantizeLinear", .outputs = node.outputs};
  if (how.axis >= 0) dq.attributes["axis"] = static_cast<int64_t>(how.axis);

  if (const Tensor* constant = r.source().constant(node.input(0))) {
    const int32_t shift = 1 << (how.bits - 1);  // to the signed type that weights have
    const QuantTensor weight = quantize_tensor(
        *constant, {how.scales, how.zero_points, how.axis, how.bits, how.range}, node.input(0));
    std::vector<double> codes;
    for (int32_t code : weight.codes) codes.push_back(code - shift);
    const DType dtype = is_wide ? DType::kInt16 : DType::kInt8;
    dq.inputs = {r.constant(node.input(0) + "_quantized",
                            Tensor::from_doubles(dtype, constant->shape(), codes)),
                 scale, add_zero_points(dtype, shift)};
    return r.add(std::move(dq));
  }
  const DType dtype = is_wide ? DType::kUint16 : DType::kUint8;
  const std::string zero_point = add_zero_points(dtype, 0);
  std::string codes = r.unique(node.outputs[0] + "_QuantizeLinear");
  Node q{.name = codes,
         .op_type = "QuantizeLinear",
         .inputs = {node.input(0), scale, zero_point},
         .outputs = {codes}};
  q.attributes = dq.attributes;
  r.add(std::move(q));
  if (how.range != CodeRange{0, is_wide ? 65535 : 255}) {
    const auto bound = [&](int32_t value) {
      const double values[] = {static_cast<double>(value)};
      return r.constant(node.outputs[0] + "_bound", Tensor::from_doubles(dtype, {}, values));
    };
    const std::string clipped = r.unique(node.outputs[0] + "_clipped");
    r.add({.name = clipped,
           .op_type = "Clip",
           .inputs = {codes, bound(how.range.qmin), bound(how.range.qmax)},
           .outputs = {clipped}});
    codes = clipped;
  }
  dq.inputs = {codes, scale, zero_point};
  r.add(std::move(dq));
}

int32_t whole(const Node& node, const char* what, double value, double tolerance) {
  const double nearest = std::nearbyint(value);
  if (!(std::fabs(value - nearest) <= tolerance) || std::fabs(nearest) > 1e6)
    throw Error("rewriting ", node.label(), ": its ", what, " ", value, " is not a whole number");
  return static_cast<int32_t>(nearest);
}

void require_positive(const Node& node, float scale) {
  if (!(scale > 0) || !std::isfinite(scale))
    throw Error("rewriting ", node.label(), ": its scale is ", scale);
}

// Inputs x, lowest and highest input, lowest and highest output; `levels` codes between them.
void fake_quantize(QdqRewriter& r, Node node) {
  const int64_t levels = node.int_or("levels", 256);
  if (levels < 2 || levels > 65536)
    throw Error("rewriting ", node.label(), ": ", levels, " levels; 2 to 65536 are supported");
  std::vector<std::vector<float>> ends;
  for (size_t i = 1; i <= 4; ++i) ends.push_back(r.required(node, i, "range").to_vector<float>());
  if (ends[0] != ends[2] || ends[1] != ends[3] || ends[0].size() != ends[1].size())
    throw Error("rewriting ", node.label(),
                ": its output range differs from its input range; a rescale has no QDQ form here");
  Rounding how;
  how.axis = varying_axis(node, r.required(node, 1, "range"), rank_of(r, node.input(0)));
  while ((int64_t{1} << how.bits) < levels) ++how.bits;
  while (how.bits > 1 && (int64_t{1} << (how.bits - 1)) >= levels) --how.bits;
  how.range = {0, static_cast<int32_t>(levels - 1)};
  for (size_t i = 0; i < ends[0].size(); ++i) {
    how.scales.push_back((ends[1][i] - ends[0][i]) / static_cast<float>(levels - 1));
    require_positive(node, how.scales.back());
    how.zero_points.push_back(
        whole(node, "zero point",
              -static_cast<double>(ends[0][i]) / static_cast<double>(how.scales.back()), 1e-2));
  }
  round_in_qdq(r, node, how);
}

// Inputs x, scale, zero point and bit width.
void quant(QdqRewriter& r, Node node) {
  const std::string mode = node.string_or("rounding_mode", "ROUND");
  if (mode != "ROUND" && mode != "HALF_EVEN" && mode != "round" && mode != "half_even")
    throw Error("rewriting ", node.label(), ": rounding_mode ", mode,
                "; only ROUND (half to even) has a QDQ form");
  const auto width = r.required(node, 3, "bit width").to_vector<double>();
  if (width.size() != 1)
    throw Error("rewriting ", node.label(), ": ", width.size(), " bit widths; one is supported");
  const bool is_signed = node.int_or("signed", 1) != 0, is_narrow = node.int_or("narrow", 0) != 0;
  Rounding how;
  how.bits = whole(node, "bit width", width[0], 0);
  if (how.bits < 1 || how.bits > 16)
    throw Error("rewriting ", node.label(), ": ", how.bits, " bits; 1 to 16 are supported");
  const Tensor& scale = r.required(node, 1, "scale");
  how.axis = varying_axis(node, scale, rank_of(r, node.input(0)));
  how.scales = scale.to_vector<float>();
  for (float one : how.scales) require_positive(node, one);
  const auto zeros = r.required(node, 2, "zero point").to_vector<double>();
  if (zeros.size() != 1 && zeros.size() != how.scales.size())
    throw Error("rewriting ", node.label(), ": ", zeros.size(), " zero points for ",
                how.scales.size(), " scales");
  const int32_t shift = is_signed ? 1 << (how.bits - 1) : 0;
  for (size_t i = 0; i < how.scales.size(); ++i)
    how.zero_points.push_back(whole(node, "zero point", zeros[zeros.size() == 1 ? 0 : i], 0) +
                              shift);
  const int32_t highest = (1 << how.bits) - 1;
  how.range = {is_narrow && is_signed ? 1 : 0, is_narrow && !is_signed ? highest - 1 : highest};
  round_in_qdq(r, node, how);
}

// scale * sign(x), where the sign of zero is positive.
void bipolar(QdqRewriter& r, Node node) {
  const Tensor& scale = r.required(node, 1, "scale");
  const int axis = varying_axis(node, scale, rank_of(r, node.input(0)));
  if (const Tensor* constant = r.source().constant(node.input(0))) {
    std::vector<int8_t> codes;
    for (float x : constant->to_vector<float>()) codes.push_back(x >= 0 ? 1 : -1);
    const Shape shape = axis < 0 ? Shape{} : Shape{scale.count()};
    Node dq{.name = node.name,
            .op_type = "DequantizeLinear",
            .inputs = {r.constant(node.input(0) + "_quantized",
                                  Tensor::of<int8_t>(constant->shape(), std::move(codes))),
                       r.constant(node.outputs[0] + "_scale", scale.reshaped(shape))},
            .outputs = node.outputs};
    if (axis >= 0) dq.attributes["axis"] = static_cast<int64_t>(axis);
    return r.add(std::move(dq));
  }
  // Q has no form of it: two codes that are not neighbours of zero.
  std::vector<float> negative = scale.to_vector<float>();
  for (float& x : negative) x = -x;
  const std::string below = r.constant(node.outputs[0] + "_negative",
                                       Tensor::of<float>(scale.shape(), std::move(negative)));
  const std::string zero = r.constant(node.outputs[0] + "_zero", Tensor::scalar<float>(0));
  const std::string sign = r.unique(node.outputs[0] + "_is_positive");
  r.add({.name = sign,
         .op_type = "GreaterOrEqual",
         .inputs = {node.input(0), zero},
         .outputs = {sign}});
  r.add({.name = node.name,
         .op_type = "Where",
         .inputs = {sign, node.input(1), below},
         .outputs = node.outputs});
}

HALFTONE_REGISTER(QuantizedForm, "org.openvinotoolkit.FakeQuantize", fake_quantize);
HALFTONE_REGISTER(QuantizedForm, "qonnx.custom_op.general.Quant", quant);
HALFTONE_REGISTER(QuantizedForm, "onnx.brevitas.Quant", quant);
HALFTONE_REGISTER(QuantizedForm, "finn.custom_op.general.Quant", quant);
HALFTONE_REGISTER(QuantizedForm, "qonnx.custom_op.general.BipolarQuant", bipolar);
HALFTONE_REGISTER(QuantizedForm, "onnx.brevitas.BipolarQuant", bipolar);
HALFTONE_REGISTER(QuantizedForm, "finn.custom_op.general.BipolarQuant", bipolar);

}  // namespace
}  // namespace halftone

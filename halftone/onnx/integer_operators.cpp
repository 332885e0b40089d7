// ConvInteger and MatMulInteger behind DynamicQuantizeLinear: a float activation with a quantized
// weight.
//
//   DynamicQuantizeLinear(x) -> q, s, z;  MatMulInteger(q, w, z, w_zero_point) -> Cast -> Mul by (s
//   * w_scale)
// becomes
//   MatMul(x, DequantizeLinear(w, w_scale, w_zero_point))
#include <optional>

#include "halftone/onnx/qdq_rewriter.h"

namespace halftone {
namespace {

// What scales the sums of products back to float, as quantizers write it.
struct Descale {
  int cast, mul;        // indices of the nodes
  std::string x_scale;  // of the dynamic quantization
  std::string w_scale;  // a constant
};

std::optional<Descale> descale_behind(const QdqRewriter& r, const Node& node) {
  const auto& nodes = r.source().nodes;
  const auto at = [&](int i) -> const Node& { return nodes[static_cast<size_t>(i)]; };
  const int cast = r.links().only_consumer(node.outputs[0]);
  if (cast < 0 || at(cast).op_type != "Cast" ||
      at(cast).int_or("to", 0) != static_cast<int64_t>(DType::kFloat))
    return {};
  const int mul = r.links().only_consumer(at(cast).outputs[0]);
  if (mul < 0 || at(mul).op_type != "Mul") return {};
  const std::string& scale = at(mul).inputs[at(mul).inputs[0] == at(cast).outputs[0] ? 1 : 0];
  const int scales = r.links().producer(scale);
  if (scales < 0 || at(scales).op_type != "Mul") return {};
  for (size_t side : {size_t{0}, size_t{1}}) {
    const std::string& w_scale = at(scales).inputs[side];
    if (r.source().constant(w_scale))
      return Descale{cast, mul, at(scales).inputs[1 - side], w_scale};
  }
  return {};
}

void rewrite(QdqRewriter& r, Node node) {
  const int quantizer = r.links().producer(node.input(0));
  const auto descale = descale_behind(r, node);
  const Tensor* weight = r.source().constant(node.input(1));
  if (!descale || !weight || quantizer < 0) return r.add(std::move(node));  // computed as it stands
  const Node& dynamic = r.source().nodes[static_cast<size_t>(quantizer)];
  const bool fits = dynamic.op_type == "DynamicQuantizeLinear" && dynamic.outputs.size() > 1 &&
                    dynamic.outputs[1] == descale->x_scale;
  if (!fits) return r.add(std::move(node));

  const bool is_conv = node.op_type == "ConvInteger";
  const int64_t axis = r.axis_of(descale->w_scale, is_conv ? 0 : weight->rank() - 1);
  std::string scale = descale->w_scale, zero_point = node.input(3);
  if (axis >= 0) {
    const Tensor& scales = *r.source().constant(scale);
    if (scales.count() != weight->shape()[static_cast<size_t>(axis)]) return r.add(std::move(node));
    if (scales.rank() != 1)
      scale = r.constant(scale + "_vector", scales.reshaped({scales.count()}));
    const Tensor* zeros = r.source().constant(zero_point);
    if (zeros && zeros->count() == 1 && scales.count() > 1) {
      const std::vector<double> values(static_cast<size_t>(scales.count()),
                                       zeros->to_vector<double>()[0]);
      zero_point = r.constant(zero_point + "_vector",
                              Tensor::from_doubles(zeros->dtype(), {scales.count()}, values));
    }
  }
  const std::string float_weight = r.dequantized(node.input(1), scale, zero_point, axis);
  r.drop(descale->cast);
  r.drop(descale->mul);
  r.add({.name = node.name,
         .op_type = is_conv ? "Conv" : "MatMul",
         .inputs = {dynamic.inputs[0], float_weight},
         .outputs = r.source().nodes[static_cast<size_t>(descale->mul)].outputs,
         .attributes = node.attributes});
}

HALFTONE_REGISTER(QuantizedForm, "ConvInteger", rewrite);
HALFTONE_REGISTER(QuantizedForm, "MatMulInteger", rewrite);

}  // namespace
}  // namespace halftone

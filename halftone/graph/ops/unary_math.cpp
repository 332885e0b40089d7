// Functions of one number: Abs .. Tan, rounding, IsNaN, IsInf, Not.
#include <cmath>

#include "halftone/graph/ops/elementwise.h"

namespace halftone {
namespace {

constexpr auto absolute = []<typename T>(T x) -> T {
  if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
  return x < T{0} ? wrapping_sub(T{0}, x) : x;
};
constexpr auto negative = []<typename T>(T x) -> T {
  if constexpr (std::is_floating_point_v<T>) return -x;
  return wrapping_sub(T{0}, x);
};
constexpr auto sign = []<typename T>(T x) -> T {
  if (x != x) return x;
  return static_cast<T>((x > T{0}) - (x < T{0}));
};
// ONNX rounds halves to even, which is the rounding mode that programs start in.
constexpr auto round_half_even = [](double x) { return std::nearbyint(x); };

void infer_bool(InferenceContext& context) {
  context.set_output(0, DType::kBool, context.input(0).shape);
}

Tensors is_nan(const KernelInputs& in) {
  std::vector<uint8_t> result;
  for (double x : in[0].to_vector<double>()) result.push_back(std::isnan(x));
  return {Tensor::of_bools(in[0].shape(), std::move(result))};
}

Tensors is_inf(const KernelInputs& in) {
  const bool takes_positive = in.node.int_or("detect_positive", 1);
  const bool takes_negative = in.node.int_or("detect_negative", 1);
  std::vector<uint8_t> result;
  for (double x : in[0].to_vector<double>())
    result.push_back(std::isinf(x) && (x > 0 ? takes_positive : takes_negative));
  return {Tensor::of_bools(in[0].shape(), std::move(result))};
}

Tensors logical_not(const KernelInputs& in) {
  std::vector<uint8_t> values;
  for (uint8_t x : in[0].elements<bool>()) values.push_back(!x);
  return {Tensor::of_bools(in[0].shape(), std::move(values))};
}

constexpr auto infer = same_type_as_input;

HALFTONE_REGISTER(GraphOp, "Abs", infer, map_numbers<absolute>);
HALFTONE_REGISTER(GraphOp, "Neg", infer, map_numbers<negative>);
HALFTONE_REGISTER(GraphOp, "Sign", infer, map_numbers<sign>);
HALFTONE_REGISTER(GraphOp, "Not", infer_bool, logical_not);
HALFTONE_REGISTER(GraphOp, "IsNaN", infer_bool, is_nan);
HALFTONE_REGISTER(GraphOp, "IsInf", infer_bool, is_inf);
HALFTONE_REGISTER(GraphOp, "Round", infer, map_floats<round_half_even>);
HALFTONE_REGISTER(GraphOp, "Ceil", infer, map_floats<[](double x) { return std::ceil(x); }>);
HALFTONE_REGISTER(GraphOp, "Floor", infer, map_floats<[](double x) { return std::floor(x); }>);
HALFTONE_REGISTER(GraphOp, "Exp", infer, map_floats<[](double x) { return std::exp(x); }>);
HALFTONE_REGISTER(GraphOp, "Log", infer, map_floats<[](double x) { return std::log(x); }>);
HALFTONE_REGISTER(GraphOp, "Sqrt", infer, map_floats<[](double x) { return std::sqrt(x); }>);
HALFTONE_REGISTER(GraphOp, "Reciprocal", infer, map_floats<[](double x) { return 1 / x; }>);
HALFTONE_REGISTER(GraphOp, "Erf", infer, map_floats<[](double x) { return std::erf(x); }>);
HALFTONE_REGISTER(GraphOp, "Sin", infer, map_floats<[](double x) { return std::sin(x); }>);
HALFTONE_REGISTER(GraphOp, "Cos", infer, map_floats<[](double x) { return std::cos(x); }>);
HALFTONE_REGISTER(GraphOp, "Tan", infer, map_floats<[](double x) { return std::tan(x); }>);
HALFTONE_REGISTER(GraphOp, "Asin", infer, map_floats<[](double x) { return std::asin(x); }>);
HALFTONE_REGISTER(GraphOp, "Acos", infer, map_floats<[](double x) { return std::acos(x); }>);
HALFTONE_REGISTER(GraphOp, "Atan", infer, map_floats<[](double x) { return std::atan(x); }>);
HALFTONE_REGISTER(GraphOp, "Sinh", infer, map_floats<[](double x) { return std::sinh(x); }>);
HALFTONE_REGISTER(GraphOp, "Cosh", infer, map_floats<[](double x) { return std::cosh(x); }>);
HALFTONE_REGISTER(GraphOp, "Tanh", infer, map_floats<[](double x) { return std::tanh(x); }>);
HALFTONE_REGISTER(GraphOp, "Asinh", infer, map_floats<[](double x) { return std::asinh(x); }>);
HALFTONE_REGISTER(GraphOp, "Acosh", infer, map_floats<[](double x) { return std::acosh(x); }>);
HALFTONE_REGISTER(GraphOp, "Atanh", infer, map_floats<[](double x) { return std::atanh(x); }>);

}  // namespace
}  // namespace halftone

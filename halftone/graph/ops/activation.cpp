// Activation functions, one number to one number.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "halftone/graph/ops/elementwise.h"

namespace halftone {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
// ln(1 + e^x) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
// alpha (e^(x / width) - 1) below zero.
double exponential_linear(double x, double alpha, double width = 1) {
  return x > 0 ? x : alpha * std::expm1(x / width);
}

constexpr auto relu = []<typename T>(T x) -> T { return x < T{0} ? T{0} : x; };

Tensors leaky_relu(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 0.01f);
  return {mapped_floats(in[0], [=](double x) { return x < 0 ? alpha * x : x; })};
}

Tensors prelu(const KernelInputs& in) {
  require_same_type(in[0], in[1]);
  const Tensor& x = in[0];
  return {in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto leak = [](T value, T slope) {
      return value < T{0} ? wrapping_mul(slope, value) : value;
    };
    return stored(x.dtype(), x.shape(),
                  combined<T>(x.to_vector<T>(), x.shape(), in[1].to_vector<T>(), in[1].shape(),
                              x.shape(), leak));
  })};
}

Tensors elu(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 1);
  return {mapped_floats(in[0], [=](double x) { return exponential_linear(x, alpha); })};
}

Tensors celu(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 1);
  return {mapped_floats(in[0], [=](double x) { return exponential_linear(x, alpha, alpha); })};
}

Tensors selu(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 1.67326319217681884765625f);
  const double gamma = in.node.float_or("gamma", 1.05070102214813232421875f);
  return {mapped_floats(in[0], [=](double x) { return gamma * exponential_linear(x, alpha); })};
}

Tensors thresholded_relu(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 1);
  return {mapped_floats(in[0], [=](double x) { return x > alpha ? x : 0; })};
}

Tensors hard_sigmoid(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 0.2f);
  const double beta = in.node.float_or("beta", 0.5f);
  return {mapped_floats(in[0], [=](double x) { return std::clamp(alpha * x + beta, 0.0, 1.0); })};
}

Tensors swish(const KernelInputs& in) {
  const double alpha = in.node.float_or("alpha", 1);
  return {mapped_floats(in[0], [=](double x) { return x * sigmoid(alpha * x); })};
}

Tensors gelu(const KernelInputs& in) {
  const std::string form = in.node.string_or("approximate", "none");
  if (form == "none")
    return {mapped_floats(
        in[0], [](double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); })};
  if (form != "tanh") throw Error("approximate is '", form, "'; known are none and tanh");
  const double scale = std::sqrt(2 / std::numbers::pi);
  return {mapped_floats(in[0], [=](double x) {
    return 0.5 * x * (1 + std::tanh(scale * (x + 0.044715 * x * x * x)));
  })};
}

Tensors shrink(const KernelInputs& in) {
  const double bias = in.node.float_or("bias", 0);
  const double lambda = in.node.float_or("lambd", 0.5f);
  return {mapped_floats(in[0], [=](double x) {
    return x < -lambda ? x + bias : x > lambda ? x - bias : 0;
  })};
}

// A bound of Clip: an input, or an attribute in models of old opsets, or none.
template <typename T>
T bound(const KernelInputs& in, size_t input, const char* attribute, T none) {
  if (in.has(input)) return in[input].item<T>();
  return in.node.has(attribute) ? static_cast<T>(in.node.float_or(attribute, 0)) : none;
}

Tensors clip(const KernelInputs& in) {
  const Tensor& x = in[0];
  return {in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    const T lowest =
        bound<T>(in, 1, "min", Limits::has_infinity ? -Limits::infinity() : Limits::lowest());
    const T highest =
        bound<T>(in, 2, "max", Limits::has_infinity ? Limits::infinity() : Limits::max());
    std::vector<T> values = x.to_vector<T>();
    // Where the bounds cross, the upper one wins.
    for (T& value : values) {
      if (value < lowest) value = lowest;
      if (value > highest) value = highest;
    }
    return stored(x.dtype(), x.shape(), values);
  })};
}

constexpr auto infer = same_type_as_input;

HALFTONE_REGISTER(GraphOp, "Relu", infer, map_numbers<relu>);
HALFTONE_REGISTER(GraphOp, "Clip", infer, clip);
HALFTONE_REGISTER(GraphOp, "LeakyRelu", infer, leaky_relu);
HALFTONE_REGISTER(GraphOp, "PRelu", infer, prelu);
HALFTONE_REGISTER(GraphOp, "Elu", infer, elu);
HALFTONE_REGISTER(GraphOp, "Celu", infer, celu);
HALFTONE_REGISTER(GraphOp, "Selu", infer, selu);
HALFTONE_REGISTER(GraphOp, "ThresholdedRelu", infer, thresholded_relu);
HALFTONE_REGISTER(GraphOp, "HardSigmoid", infer, hard_sigmoid);
HALFTONE_REGISTER(GraphOp, "Swish", infer, swish);
HALFTONE_REGISTER(GraphOp, "Gelu", infer, gelu);
HALFTONE_REGISTER(GraphOp, "Shrink", infer, shrink);
HALFTONE_REGISTER(GraphOp, "Sigmoid", infer, map_floats<sigmoid>);
HALFTONE_REGISTER(GraphOp, "Softplus", infer, map_floats<softplus>);
HALFTONE_REGISTER(GraphOp, "Softsign", infer,
                  map_floats<[](double x) { return x / (1 + std::fabs(x)); }>);
HALFTONE_REGISTER(GraphOp, "Mish", infer,
                  map_floats<[](double x) { return x * std::tanh(softplus(x)); }>);
HALFTONE_REGISTER(GraphOp, "HardSwish", infer,
                  map_floats<[](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }>);

}  // namespace
}  // namespace halftone

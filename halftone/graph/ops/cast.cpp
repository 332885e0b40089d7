// Cast and CastLike.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "halftone/graph/ops/narrow_floats.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/quantization.h"
#include "halftone/graph/ops/shape_arithmetic.h"

namespace halftone {
namespace {

// Truncates; what no int64 holds becomes the nearest that one does, NaN becomes the lowest, as on
// most processors.
int64_t truncated(double value) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (value >= kTwoTo63) return std::numeric_limits<int64_t>::max();
  return value >= -kTwoTo63 ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::min();
}

// The types below 8 bits round and saturate, as ONNX's cases show; the wider ones truncate.
Tensor rounded_codes(const Shape& shape, const std::vector<double>& values, DType to) {
  std::vector<int64_t> codes;
  for (double value : values)
    codes.push_back(quantized(static_cast<float>(value), 1, 0, integer_range(to)));
  return stored(to, shape, codes);
}

Tensor floats_cast(const Tensor& x, DType to, bool saturates) {
  std::vector<double> values = x.to_vector<double>();
  if (is_floating(to)) return rounded_to(to, x.shape(), std::move(values), saturates);
  if (to == DType::kBool) {
    std::vector<uint8_t> bools;
    for (double value : values) bools.push_back(value != 0);
    return Tensor::of_bools(x.shape(), std::move(bools));
  }
  if (to == DType::kUint64) {
    std::vector<uint64_t> integers;
    for (double value : values)
      integers.push_back(value >= 1.8e19 ? UINT64_MAX
                         : value >= 9e18 ? static_cast<uint64_t>(value)
                                         : static_cast<uint64_t>(truncated(value)));
    return stored(to, x.shape(), integers);
  }
  if (is_integer(to) && bits_of(to) < 8) return rounded_codes(x.shape(), values, to);
  std::vector<int64_t> integers;
  for (double value : values) integers.push_back(truncated(value));
  return stored(to, x.shape(), integers);
}

double parsed(const std::string& written) {
  char* end = nullptr;
  const double value = std::strtod(written.c_str(), &end);
  if (written.empty() || end != written.c_str() + written.size())
    throw Error("the string '", written, "' is not a number");
  return value;
}

// Shortest digits that read back as the same number.
template <typename T>
std::string written(T value) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(value)) return "NaN";
  if constexpr (std::is_floating_point_v<T>)
    if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
  char buffer[64];
  const auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return code == std::errc() ? std::string(buffer, end) : std::string();
}

template <typename T>
Tensor written_strings(const Tensor& x) {
  std::vector<std::string> strings;
  for (T value : x.to_vector<T>()) strings.push_back(written(value));
  return Tensor::of_strings(x.shape(), std::move(strings));
}

Tensor cast_to(const Tensor& x, DType to, bool saturates) {
  if (x.dtype() == to) return x;
  if (x.dtype() == DType::kString) {
    std::vector<double> values;
    for (const std::string& string : x.strings()) values.push_back(parsed(string));
    return floats_cast(Tensor::of<double>(x.shape(), std::move(values)), to, saturates);
  }
  if (to == DType::kString) {
    if (x.dtype() == DType::kDouble) return written_strings<double>(x);
    return is_floating(x.dtype()) ? written_strings<float>(x) : written_strings<int64_t>(x);
  }
  if (bits_of(to) == 0 || to == DType::kComplex64 || to == DType::kComplex128)
    throw Error("a ", name_of(x.dtype()), " tensor cannot become ", name_of(to));
  if (is_floating(x.dtype())) return floats_cast(x, to, saturates);
  return in_domain_of(x.dtype(), [&](auto zero) {
    if (is_float8(to)) return rounded_to(to, x.shape(), x.to_vector<double>(), saturates);
    return stored(to, x.shape(), x.to_vector<decltype(zero)>());
  });
}

DType wanted_type(const Node& node) {
  if (!node.has("to")) throw Error("the attribute to is missing");
  return static_cast<DType>(node.int_or("to", 0));
}

void infer_cast(InferenceContext& context) {
  context.set_output(0, wanted_type(context.node()), context.input(0).shape);
  if (is_integer(context.input(0).dtype)) copy_contents(context);
}

void infer_cast_like(InferenceContext& context) {
  context.set_output(0, context.input(1).dtype, context.input(0).shape);
  if (is_integer(context.input(0).dtype)) copy_contents(context);
}

Tensors cast(const KernelInputs& in) {
  return {cast_to(in[0], wanted_type(in.node), in.node.int_or("saturate", 1))};
}

Tensors cast_like(const KernelInputs& in) {
  return {cast_to(in[0], in[1].dtype(), in.node.int_or("saturate", 1))};
}

HALFTONE_REGISTER(GraphOp, "Cast", infer_cast, cast);
HALFTONE_REGISTER(GraphOp, "CastLike", infer_cast_like, cast_like);

}  // namespace
}  // namespace halftone

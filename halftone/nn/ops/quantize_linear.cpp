// QuantizeLinear and DequantizeLinear: per tensor, per axis and blocked.
#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/op.h"
#include "halftone/nn/tensors.h"
#include "halftone/quant/numeric.h"

namespace halftone {
namespace {

// The parameter brought to a shape that broadcasts against x: one value, one an index of `axis`, or
// one a block along it.
at::Tensor spread(const NnInputs& in, const at::Tensor& parameter, const at::Tensor& x) {
  if (parameter.numel() == 1 && parameter.dim() <= 1) return parameter.reshape({});
  int64_t axis = in.node.int_or("axis", 1);
  if (axis < 0) axis += x.dim();
  if (axis < 0 || axis >= x.dim())
    throw Error("axis ", axis, " is out of range for ", x.dim(), " axes");
  const int64_t block = in.node.int_or("block_size", 0);
  if (parameter.dim() == 1 && block == 0) {
    std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
    shape[static_cast<size_t>(axis)] = parameter.numel();
    return parameter.reshape(shape);
  }
  if (block <= 0)
    throw Error("a scale of shape ", to_string(parameter.sizes().vec()), " needs a block_size");
  const int64_t reach =
      std::min(block, std::max<int64_t>(1, x.size(axis)));  // a block may be longer than the axis
  return parameter.repeat_interleave(reach, axis).narrow(axis, 0, x.size(axis));
}

// Storage type of the result, and the codes that it holds (4 and 2 bits are kept in 8 here).
struct Storage {
  at::ScalarType type;
  CodeRange range;
  bool is_float = false;
};

Storage storage_of(const NnInputs& in) {
  const auto declared = static_cast<DType>(in.node.int_or("output_dtype", 0));
  const DType dtype = declared != DType::kUndefined ? declared
                      : in.has(2)                   ? dtype_of(in[2].scalar_type())
                                                    : DType::kUint8;
  if (is_floating(dtype)) return {scalar_type_of(dtype), {}, true};
  const int bits = bits_of(dtype);
  if (!is_integer(dtype) || bits > 16)
    throw Error("quantizing to ", name_of(dtype), " is not defined");
  const bool is_signed = is_signed_integer(dtype);
  const CodeRange range = is_signed ? CodeRange{-(1 << (bits - 1)), (1 << (bits - 1)) - 1}
                                    : CodeRange{0, (1 << bits) - 1};
  return {bits < 8 ? (is_signed ? at::kChar : at::kByte) : scalar_type_of(dtype), range};
}

template <typename Code>
at::Tensor quantize_fast(const at::Tensor& x, float scale, int32_t zero_point,
                         const Storage& storage) {
  const at::Tensor values = dense(x);
  at::Tensor codes = at::empty_like(values, x.options().dtype(storage.type));
  quantize_values<Code>({values.const_data_ptr<float>(), static_cast<size_t>(values.numel())},
                        scale, zero_point, storage.range, codes.data_ptr<Code>());
  return codes;
}

NnOutputs quantize_linear(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const Storage storage = storage_of(in);
  const bool per_tensor = in[1].numel() == 1;
  const bool is_plain = per_tensor && x.scalar_type() == at::kFloat &&
                        in[1].scalar_type() == at::kFloat && x.is_cpu();
  if (is_plain && !storage.is_float) {
    const auto scale = in[1].item<float>();
    const int32_t zero_point = in.has(2) ? in[2].item<int32_t>() : 0;
    if (storage.type == at::kByte) return {quantize_fast<uint8_t>(x, scale, zero_point, storage)};
    if (storage.type == at::kChar) return {quantize_fast<int8_t>(x, scale, zero_point, storage)};
  }
  const at::Tensor scaled = x.to(at::kFloat) / spread(in, in[1].to(at::kFloat), x);
  if (storage.is_float) return {scaled.to(storage.type)};
  at::Tensor codes = scaled.round();
  if (in.has(2)) codes = codes + spread(in, in[2].to(at::kFloat), x);
  return {codes.clamp(storage.range.qmin, storage.range.qmax).to(at::kInt).to(storage.type)};
}

template <typename Code>
at::Tensor dequantize_fast(const at::Tensor& codes, float scale, int32_t zero_point) {
  const at::Tensor from = dense(codes);
  at::Tensor values = at::empty_like(from, codes.options().dtype(at::kFloat));
  dequantize_values<Code>({from.const_data_ptr<Code>(), static_cast<size_t>(from.numel())}, scale,
                          zero_point, values.data_ptr<float>());
  return values;
}

NnOutputs dequantize_linear(const NnInputs& in) {
  const at::Tensor& codes = in[0];
  const at::ScalarType type = in[1].scalar_type();
  const bool is_plain = in[1].numel() == 1 && type == at::kFloat && codes.is_cpu();
  if (is_plain && !in[1].requires_grad()) {
    const auto scale = in[1].item<float>();
    const int32_t zero_point =
        in.has(2) && !at::isFloatingType(in[2].scalar_type()) ? in[2].item<int32_t>() : 0;
    if (codes.scalar_type() == at::kByte)
      return {dequantize_fast<uint8_t>(codes, scale, zero_point)};
    if (codes.scalar_type() == at::kChar)
      return {dequantize_fast<int8_t>(codes, scale, zero_point)};
  }
  if (at::isFloatingType(codes.scalar_type()))
    return {(codes.to(at::kFloat) * spread(in, in[1].to(at::kFloat), codes)).to(type)};
  at::Tensor shifted = codes.to(at::kInt);
  if (in.has(2)) shifted = shifted - spread(in, in[2].to(at::kInt), codes);
  return {(shifted.to(at::kFloat) * spread(in, in[1].to(at::kFloat), codes)).to(type)};
}

HALFTONE_REGISTER(NnOp, "QuantizeLinear", quantize_linear);
HALFTONE_REGISTER(NnOp, "DequantizeLinear", dequantize_linear);

}  // namespace
}  // namespace halftone

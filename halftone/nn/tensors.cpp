#include "halftone/nn/tensors.h"

#include <ATen/ops/empty.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

namespace halftone {
namespace {

constexpr std::array<std::pair<DType, at::ScalarType>, 17> kTypes{{
    {DType::kFloat, at::kFloat},
    {DType::kDouble, at::kDouble},
    {DType::kFloat16, at::kHalf},
    {DType::kBfloat16, at::kBFloat16},
    {DType::kBool, at::kBool},
    {DType::kInt8, at::kChar},
    {DType::kUint8, at::kByte},
    {DType::kInt16, at::kShort},
    {DType::kUint16, at::kUInt16},
    {DType::kInt32, at::kInt},
    {DType::kUint32, at::kUInt32},
    {DType::kInt64, at::kLong},
    {DType::kUint64, at::kUInt64},
    {DType::kFloat8E4M3FN, at::kFloat8_e4m3fn},
    {DType::kFloat8E4M3FNUZ, at::kFloat8_e4m3fnuz},
    {DType::kFloat8E5M2, at::kFloat8_e5m2},
    {DType::kFloat8E5M2FNUZ, at::kFloat8_e5m2fnuz},
}};

}  // namespace

at::Tensor dense(const at::Tensor& tensor) {
  return tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
}

at::ScalarType scalar_type_of(DType dtype) {
  for (const auto& [ours, theirs] : kTypes)
    if (ours == dtype) return theirs;
  throw Error(name_of(dtype), " tensors cannot be computed with");
}

DType dtype_of(at::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes)
    if (theirs == type) return ours;
  throw Error(at::toString(type), " tensors have no place in an ONNX file");
}

namespace {
template <typename T>
at::Tensor unpacked(const Tensor& tensor) {
  return to_torch(Tensor::of<T>(tensor.shape(), tensor.to_vector<T>()));
}
}  // namespace

at::Tensor to_torch(const Tensor& tensor) {
  if (is_integer(tensor.dtype()) && bits_of(tensor.dtype()) < 8)
    return is_signed_integer(tensor.dtype()) ? unpacked<int8_t>(tensor) : unpacked<uint8_t>(tensor);
  at::Tensor result = at::empty(tensor.shape(), scalar_type_of(tensor.dtype()));
  std::memcpy(result.data_ptr(), tensor.bytes().data(), tensor.bytes().size());
  return result;
}

Tensor from_torch(const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().cpu().contiguous();
  std::vector<std::byte> bytes(plain.nbytes());
  std::memcpy(bytes.data(), plain.const_data_ptr(), bytes.size());
  return Tensor::from_bytes(dtype_of(plain.scalar_type()), plain.sizes().vec(), std::move(bytes));
}

}  // namespace halftone

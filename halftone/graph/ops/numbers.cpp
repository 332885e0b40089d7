#include "halftone/graph/ops/numbers.h"

#include <utility>

namespace halftone {
namespace {

template <typename To, typename From>
Tensor narrowed(Shape shape, const std::vector<From>& values) {
  std::vector<To> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) result[i] = static_cast<To>(values[i]);
  return Tensor::of<To>(std::move(shape), std::move(result));
}

// Two- and four-bit integers, first element in the low bits of a byte.
template <typename From>
Tensor packed(DType dtype, Shape shape, const std::vector<From>& values) {
  const auto bits = static_cast<unsigned>(bits_of(dtype));
  const size_t per_byte = 8 / bits;
  std::vector<std::byte> bytes((values.size() + per_byte - 1) / per_byte);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto code = static_cast<unsigned>(static_cast<uint64_t>(values[i])) & ((1u << bits) - 1);
    bytes[i / per_byte] |= static_cast<std::byte>(code << (bits * (i % per_byte)));
  }
  return Tensor::from_bytes(dtype, std::move(shape), std::move(bytes));
}

template <typename From>
Tensor stored_integers(DType dtype, Shape shape, const std::vector<From>& values) {
  switch (dtype) {
    case DType::kInt8:
      return narrowed<int8_t>(std::move(shape), values);
    case DType::kUint8:
      return narrowed<uint8_t>(std::move(shape), values);
    case DType::kInt16:
      return narrowed<int16_t>(std::move(shape), values);
    case DType::kUint16:
      return narrowed<uint16_t>(std::move(shape), values);
    case DType::kInt32:
      return narrowed<int32_t>(std::move(shape), values);
    case DType::kUint32:
      return narrowed<uint32_t>(std::move(shape), values);
    case DType::kInt64:
      return narrowed<int64_t>(std::move(shape), values);
    case DType::kUint64:
      return narrowed<uint64_t>(std::move(shape), values);
    case DType::kFloat:
      return narrowed<float>(std::move(shape), values);
    case DType::kInt4:
    case DType::kUint4:
    case DType::kInt2:
    case DType::kUint2:
      return packed(dtype, std::move(shape), values);
    case DType::kBool: {
      std::vector<uint8_t> bools(values.size());
      for (size_t i = 0; i < values.size(); ++i) bools[i] = values[i] != 0;
      return Tensor::of_bools(std::move(shape), std::move(bools));
    }
    default:
      break;
  }
  const std::vector<double> doubles(values.begin(), values.end());
  return Tensor::from_doubles(dtype, std::move(shape), doubles);
}

}  // namespace

Tensor stored(DType dtype, Shape shape, const std::vector<double>& values) {
  if (dtype == DType::kFloat) return narrowed<float>(std::move(shape), values);
  if (!is_floating(dtype)) throw Error("fractions cannot be stored as ", name_of(dtype));
  return Tensor::from_doubles(dtype, std::move(shape), values);
}
Tensor stored(DType dtype, Shape shape, const std::vector<int64_t>& values) {
  return stored_integers(dtype, std::move(shape), values);
}
Tensor stored(DType dtype, Shape shape, const std::vector<uint64_t>& values) {
  return stored_integers(dtype, std::move(shape), values);
}

}  // namespace halftone

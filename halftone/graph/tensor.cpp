#include "halftone/graph/tensor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "halftone/graph/float_formats.h"

namespace halftone {

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  bool is_empty = false;
  for (int64_t dim : shape) {
    if (dim < 0) throw Error("negative dimension in shape ", to_string(shape));
    if (dim == 0)
      is_empty = true;
    else if (__builtin_mul_overflow(count, dim, &count) || count > (int64_t{1} << 62))
      throw Error("shape ", to_string(shape), " has too many elements");
  }
  return is_empty ? 0 : count;
}

std::string to_string(const Shape& shape) {
  std::string result = "[";
  for (size_t i = 0; i < shape.size(); ++i) result += (i ? "," : "") + std::to_string(shape[i]);
  return result + "]";
}

std::vector<int64_t> strides_of(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Tensor::Tensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
               std::shared_ptr<const void> owner)
    : dtype_(dtype),
      shape_(std::move(shape)),
      count_(element_count(shape_)),
      bytes_(bytes),
      owner_(std::move(owner)) {
  if (dtype_ != DType::kString && bytes_of(dtype_, static_cast<uint64_t>(count_)) != bytes_.size())
    throw Error("a ", name_of(dtype_), " tensor of shape ", to_string(shape_), " takes ",
                bytes_of(dtype_, static_cast<uint64_t>(count_)), " bytes, but ", bytes_.size(),
                " are there");
}

Tensor Tensor::of_bools(Shape shape, std::vector<uint8_t> values) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(values));
  return Tensor(DType::kBool, std::move(shape), std::as_bytes(std::span(*owner)), owner);
}

Tensor Tensor::of_strings(Shape shape, std::vector<std::string> values) {
  if (element_count(shape) != static_cast<int64_t>(values.size()))
    throw Error("a string tensor of shape ", to_string(shape), " has ", values.size(), " values");
  return Tensor(DType::kString, std::move(shape), {},
                std::make_shared<const std::vector<std::string>>(std::move(values)));
}

Tensor Tensor::from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes) {
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return Tensor(dtype, std::move(shape), *owner, owner);
}

const std::vector<std::string>& Tensor::strings() const {
  if (dtype_ != DType::kString) wrong_type(DType::kString);
  return *static_cast<const std::vector<std::string>*>(owner_.get());
}

void Tensor::wrong_type(DType wanted) const {
  throw Error("a ", name_of(dtype_), " tensor of shape ", to_string(shape_), " stands where ",
              name_of(wanted), " is expected");
}

Tensor Tensor::reshaped(Shape shape) const {
  if (element_count(shape) != count_)
    throw Error("cannot reshape ", to_string(shape_), " to ", to_string(shape),
                ": other number of elements");
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

bool Tensor::operator==(const Tensor& other) const {
  if (dtype_ != other.dtype_ || shape_ != other.shape_) return false;
  if (dtype_ == DType::kString) return strings() == other.strings();
  return std::ranges::equal(bytes_, other.bytes_);
}

namespace {

// The packed integer at position i: 2 or 4 bits, first element in the low bits of a byte.
int64_t packed_at(std::span<const std::byte> bytes, size_t i, int bits, bool is_signed) {
  const size_t per_byte = 8 / static_cast<size_t>(bits);
  const auto byte = std::to_integer<unsigned>(bytes[i / per_byte]);
  const unsigned value =
      byte >> (static_cast<unsigned>(bits) * (i % per_byte)) & ((1u << bits) - 1);
  return is_signed && value >> (bits - 1) ? static_cast<int64_t>(value) - (1 << bits)
                                          : static_cast<int64_t>(value);
}

template <typename To, typename From>
std::vector<To> converted(const Tensor& tensor) {
  const auto values = tensor.elements<From>();
  std::vector<To> result(values.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<To>(values[i]);
  return result;
}

}  // namespace

template <typename T>
std::vector<T> Tensor::to_vector() const {
  const auto count = static_cast<size_t>(count_);
  if (is_floating(dtype_) && !std::is_floating_point_v<T>) wrong_type(dtype_of<T>());
  switch (dtype_) {
    case DType::kFloat:
      return converted<T, float>(*this);
    case DType::kDouble:
      return converted<T, double>(*this);
    case DType::kInt8:
      return converted<T, int8_t>(*this);
    case DType::kUint8:
      return converted<T, uint8_t>(*this);
    case DType::kInt16:
      return converted<T, int16_t>(*this);
    case DType::kUint16:
      return converted<T, uint16_t>(*this);
    case DType::kInt32:
      return converted<T, int32_t>(*this);
    case DType::kUint32:
      return converted<T, uint32_t>(*this);
    case DType::kInt64:
      return converted<T, int64_t>(*this);
    case DType::kUint64:
      return converted<T, uint64_t>(*this);
    case DType::kBool:
      return converted<T, uint8_t>(*this);
    case DType::kInt4:
    case DType::kUint4:
    case DType::kInt2:
    case DType::kUint2: {
      std::vector<T> result(count);
      for (size_t i = 0; i < count; ++i)
        result[i] =
            static_cast<T>(packed_at(bytes_, i, bits_of(dtype_), is_signed_integer(dtype_)));
      return result;
    }
    case DType::kString:
    case DType::kComplex64:
    case DType::kComplex128:
    case DType::kUndefined:
      wrong_type(dtype_of<T>());
    default:
      break;
  }
  std::vector<T> result(count);
  for (size_t i = 0; i < count; ++i) {
    uint32_t pattern = 0;
    if (bits_of(dtype_) == 16) {
      uint16_t half = 0;
      std::memcpy(&half, bytes_.data() + 2 * i, 2);
      pattern = half;
    } else if (bits_of(dtype_) == 8) {
      pattern = std::to_integer<uint32_t>(bytes_[i]);
    } else {
      pattern = static_cast<uint32_t>(packed_at(bytes_, i, bits_of(dtype_), false));
    }
    result[i] = static_cast<T>(decode_float(dtype_, pattern));
  }
  return result;
}

template std::vector<float> Tensor::to_vector<float>() const;
template std::vector<double> Tensor::to_vector<double>() const;
template std::vector<int8_t> Tensor::to_vector<int8_t>() const;
template std::vector<uint8_t> Tensor::to_vector<uint8_t>() const;
template std::vector<int16_t> Tensor::to_vector<int16_t>() const;
template std::vector<uint16_t> Tensor::to_vector<uint16_t>() const;
template std::vector<int32_t> Tensor::to_vector<int32_t>() const;
template std::vector<uint32_t> Tensor::to_vector<uint32_t>() const;
template std::vector<int64_t> Tensor::to_vector<int64_t>() const;
template std::vector<uint64_t> Tensor::to_vector<uint64_t>() const;

Tensor Tensor::from_doubles(DType dtype, Shape shape, std::span<const double> values) {
  const int bits = bits_of(dtype);
  const auto byte_count = static_cast<size_t>(bytes_of(dtype, values.size()));
  std::vector<std::byte> bytes(byte_count);
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t pattern = 0;
    if (dtype == DType::kFloat) {
      const auto value = static_cast<float>(values[i]);
      std::memcpy(&pattern, &value, sizeof value);
    } else if (dtype == DType::kDouble) {
      std::memcpy(&pattern, &values[i], sizeof(double));
    } else if (is_floating(dtype)) {
      pattern = encode_float(dtype, values[i]);
    } else if (dtype == DType::kUint64) {
      pattern = static_cast<uint64_t>(values[i]);
    } else if (is_integer(dtype) || dtype == DType::kBool) {
      pattern = static_cast<uint64_t>(static_cast<int64_t>(values[i]));
    } else {
      throw Error("numbers cannot be stored as ", name_of(dtype));
    }
    if (bits >= 8) {
      std::memcpy(bytes.data() + i * static_cast<size_t>(bits / 8), &pattern,
                  static_cast<size_t>(bits / 8));
    } else {
      const size_t per_byte = 8 / static_cast<size_t>(bits);
      const unsigned shift = static_cast<unsigned>(bits) * static_cast<unsigned>(i % per_byte);
      bytes[i / per_byte] |= static_cast<std::byte>((pattern & ((1u << bits) - 1)) << shift);
    }
  }
  return from_bytes(dtype, std::move(shape), std::move(bytes));
}

}  // namespace halftone

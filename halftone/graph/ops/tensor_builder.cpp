#include "halftone/graph/ops/tensor_builder.h"

#include <cstring>
#include <utility>

#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

// The bit pattern of element i of a type below 8 bits.
std::byte packed_element(const Tensor& tensor, int64_t i) {
  const auto bits = static_cast<unsigned>(bits_of(tensor.dtype()));
  const auto position = static_cast<size_t>(i);
  const auto byte = std::to_integer<unsigned>(tensor.bytes()[position * bits / 8]);
  return static_cast<std::byte>(byte >> (position * bits % 8) & ((1u << bits) - 1));
}

}  // namespace

TensorBuilder::TensorBuilder(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  const auto count = static_cast<size_t>(element_count(shape_));
  if (dtype == DType::kString) {
    strings_.resize(count);
  } else {
    width_ = bits_of(dtype) < 8 ? 1 : static_cast<size_t>(bits_of(dtype)) / 8;
    bytes_.resize(count * width_);
  }
}

void TensorBuilder::copy(int64_t to, const Tensor& from, int64_t at, int64_t count) {
  if (from.dtype() != dtype_)
    throw Error("values of ", name_of(from.dtype()), " cannot stand in a tensor of ",
                name_of(dtype_));
  if (dtype_ == DType::kString) {
    for (int64_t i = 0; i < count; ++i)
      strings_[static_cast<size_t>(to + i)] = from.strings()[static_cast<size_t>(at + i)];
  } else if (bits_of(dtype_) < 8) {
    for (int64_t i = 0; i < count; ++i)
      bytes_[static_cast<size_t>(to + i)] = packed_element(from, at + i);
  } else if (count > 0) {
    std::memcpy(bytes_.data() + static_cast<size_t>(to) * width_,
                from.bytes().data() + static_cast<size_t>(at) * width_,
                static_cast<size_t>(count) * width_);
  }
}

Tensor TensorBuilder::finish() && {
  if (dtype_ == DType::kString) return Tensor::of_strings(std::move(shape_), std::move(strings_));
  const auto bits = static_cast<unsigned>(bits_of(dtype_));
  if (bits >= 8) return Tensor::from_bytes(dtype_, std::move(shape_), std::move(bytes_));
  std::vector<std::byte> packed((bytes_.size() * bits + 7) / 8);
  for (size_t i = 0; i < bytes_.size(); ++i) packed[i * bits / 8] |= bytes_[i] << (i * bits % 8);
  return Tensor::from_bytes(dtype_, std::move(shape_), std::move(packed));
}

Tensor picked(const Tensor& source, Shape shape, std::span<const int64_t> indices,
              const Tensor* fill) {
  TensorBuilder out(source.dtype(), std::move(shape));
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] >= 0)
      out.copy(static_cast<int64_t>(i), source, indices[i], 1);
    else if (fill)
      out.copy(static_cast<int64_t>(i), *fill, 0, 1);
  }
  return std::move(out).finish();
}

}  // namespace halftone

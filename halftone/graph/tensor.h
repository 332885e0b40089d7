// A constant tensor: type, shape and bytes that are shared and never change.
//
//   Tensor scale = Tensor::of<float>({3}, {0.1f, 0.2f, 0.3f});
//   for (float s : scale.elements<float>()) ...
//   std::vector<int64_t> axes = node_input.to_vector<int64_t>();   // any integer type, converted
//
// The bytes may lie in a memory-mapped file, at any alignment: Elements reads them one by one
// without copying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/graph/dtype.h"

namespace halftone {

using Shape = std::vector<int64_t>;

// Product of the dimensions; 1 for a scalar. Throws Error on a negative dimension or where it
// passes 2^62.
int64_t element_count(const Shape& shape);
// "[16,3,3,3]"
std::string to_string(const Shape& shape);

// Row-major strides in elements: strides_of({2,3,4}) == {12,4,1}.
std::vector<int64_t> strides_of(const Shape& shape);

// Read-only view of a tensor's values that may stand at any alignment.
template <typename T>
class Elements {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;
    iterator() = default;
    explicit iterator(const std::byte* at) : at_(at) {}
    T operator*() const { return load(at_); }
    iterator& operator++() {
      at_ += sizeof(T);
      return *this;
    }
    iterator operator++(int) {
      iterator old = *this;
      at_ += sizeof(T);
      return old;
    }
    bool operator==(const iterator&) const = default;

   private:
    const std::byte* at_ = nullptr;
  };

  Elements(const std::byte* data, size_t count) : data_(data), count_(count) {}
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  T operator[](size_t i) const { return load(data_ + i * sizeof(T)); }
  iterator begin() const { return iterator(data_); }
  iterator end() const { return iterator(data_ + count_ * sizeof(T)); }

 private:
  static T load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  const std::byte* data_;
  size_t count_;
};

class Tensor {
 public:
  Tensor() = default;  // undefined: no type, no bytes

  // Takes the values; shape's element count must equal values.size(). For bool use of_bools.
  template <typename T>
  static Tensor of(Shape shape, std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    const auto bytes = std::as_bytes(std::span(*owner));
    return Tensor(dtype_of<T>(), std::move(shape), bytes, owner);
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>({}, {value});
  }
  // One byte an element, 0 or 1.
  static Tensor of_bools(Shape shape, std::vector<uint8_t> values);
  static Tensor of_strings(Shape shape, std::vector<std::string> values);
  // Bytes in ONNX's raw_data layout (little endian, packed below 8 bits), kept alive by `owner`.
  // Throws Error where their number does not fit type and shape.
  Tensor(DType dtype, Shape shape, std::span<const std::byte> bytes,
         std::shared_ptr<const void> owner);
  static Tensor from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes);
  // Rounds `values` to `dtype` (float types: nearest even; integer types: must be representable).
  static Tensor from_doubles(DType dtype, Shape shape, std::span<const double> values);

  bool defined() const { return dtype_ != DType::kUndefined; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t count() const { return count_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::vector<std::string>& strings() const;

  // The values in their own type; throws Error where T is not the type of this tensor (bool reads
  // as uint8_t too).
  template <typename T>
  Elements<T> elements() const {
    if (dtype_ != dtype_of<T>() && !(dtype_ == DType::kBool && sizeof(T) == 1))
      wrong_type(dtype_of<T>());
    return {bytes_.data(), static_cast<size_t>(count_)};
  }
  // The values converted: from any integer type or bool for integer T, from any numeric type for
  // float and double. Throws Error for strings, complex, and floats asked for as integers.
  template <typename T>
  std::vector<T> to_vector() const;
  // The one value of a tensor with one element, converted as by to_vector.
  template <typename T>
  T item() const {
    if (count_ != 1)
      throw Error("a tensor of shape ", to_string(shape_), " stands where one value is expected");
    return to_vector<T>()[0];
  }

  // The same bytes under another shape with the same element count.
  Tensor reshaped(Shape shape) const;

  // Same type, shape and bytes.
  bool operator==(const Tensor& other) const;

 private:
  [[noreturn]] void wrong_type(DType wanted) const;

  DType dtype_ = DType::kUndefined;
  Shape shape_;
  int64_t count_ = 0;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;  // for kString a std::vector<std::string>
};

}  // namespace halftone

// Bytes that begin at a cache line and end with a readable tail.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "halftone/runtime/layout.h"

namespace halftone::runtime {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Zeros. Throws std::bad_alloc.
  explicit AlignedBuffer(size_t bytes) : size_(bytes) {
    const size_t capacity = aligned(bytes + kReadableTail);
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, capacity)));
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 0, capacity);
  }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

}  // namespace halftone::runtime

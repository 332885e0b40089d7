// Where the codes of an activation lie: channels innermost, with a border of real zeros around
// every image.
//
//   Layout layout = layout_of({1, 16, 32, 32});
//   layout.widen(1, 1, 1, 1);                       // for a 3x3 convolution with pads 1
//   uint8_t* pixel = data + layout.pixel(0, y, x);    // its 16 channels
//
// The border holds the code of 0, so that convolutions read padding as they read pixels and need no
// case for the edges. Shapes that are not [batch, channels, height, width] lie as rows of their
// last axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone::runtime {

// Bytes that may be read past the last one of a value, so that tails need no branches.
inline constexpr size_t kReadableTail = 64;
// Every buffer begins at a multiple of this.
inline constexpr size_t kAlignment = 64;

inline constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

struct Layout {
  int64_t batch = 1, height = 1, width = 1, channels = 1;
  int64_t pitch = 1;  // bytes from one pixel to the next
  int64_t top = 0, left = 0, bottom = 0, right = 0;

  int64_t row_bytes() const { return (left + width + right) * pitch; }
  int64_t image_bytes() const { return (top + height + bottom) * row_bytes(); }
  // Of the first channel. y and x may lie in the border.
  int64_t pixel(int64_t image, int64_t y, int64_t x) const {
    return image * image_bytes() + (top + y) * row_bytes() + (left + x) * pitch;
  }
  int64_t pixels() const { return height * width; }
  bool has_border() const { return top + left + bottom + right > 0; }
  // Whether the pixels of all images follow each other without a gap.
  bool is_dense() const { return !has_border(); }
  // Makes the border at least so wide.
  void widen(int64_t top_rows, int64_t left_columns, int64_t bottom_rows, int64_t right_columns);
  // What the buffer takes, its readable tail included.
  size_t bytes() const { return static_cast<size_t>(batch * image_bytes()) + kReadableTail; }
};

// Bytes from one pixel of `channels` to the next.
int64_t channel_pitch(int64_t channels);

// Without a border. Throws Error where the shape is empty or too large for 32-bit offsets.
Layout layout_of(const Shape& shape);

// The byte of every element of `shape` in row-major order.
std::vector<int32_t> positions(const Shape& shape, const Layout& layout);

// Writes `zero` into the border.
void fill_border(const Layout& layout, uint8_t zero, uint8_t* data);

}  // namespace halftone::runtime

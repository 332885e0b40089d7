// What the depthwise kernels do in one call: a row of output pixels, one block of channels.
#pragma once

#include <cstdint>

#include "halftone/runtime/kernels/tile.h"

namespace halftone::runtime {

// Interleaved columns that lie on the stack: those that a strip of pixels reads, which the
// first-level cache holds, or those of a single pixel's window.
inline constexpr int64_t kStripColumnBytes = 16 * 1024, kMostColumnBytes = 64 * 1024;

// Whose sums the registers hold beside their weights, or half as many. Strips of whole tiles compute
// no pixel twice.
inline constexpr int kTilePixels = 4;

struct DepthwiseTask {
  TileTask tile;             // but for its runs and input offsets
  int64_t strip_pixels;      // whose columns are interleaved at a time
  int64_t height, width;     // taps
  int64_t row_bytes, pitch;  // of the input, from a tap to the one below, from a column to the next
  int64_t stride, dilation;  // columns from a pixel to the next, from a tap to the one beside it
  int64_t group_bytes;       // a block's interleaved codes of the taps that one instruction sums
  int64_t column_bytes;      // of all groups of a column
};

}  // namespace halftone::runtime

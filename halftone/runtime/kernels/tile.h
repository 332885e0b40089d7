// What a dense kernel does in one call: some pixels, one block of output channels.
//
// Indirect convolution without a table of pointers (Dukhan 2019, arXiv 1907.02129): the input has a
// border of zeros, so a tap lies at the same distance from every pixel, and a row of taps side by
// side is one run of consecutive bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace halftone::runtime {

// Consecutive input that one stretch of packed weights multiplies.
struct TapRun {
  int32_t offset = 0;       // bytes from the pixel's first tap
  int32_t steps = 0;        // of the kernel: 4 or 8 channels, 2 of 16 bits, or a group of codes
  bool is_flushed = false;  // narrow sums go into wide ones after it
};

struct TileTask {
  const uint8_t* input;           // of the group's first channel
  const int32_t* input_offsets;   // by pixel, to its first tap
  uint8_t* output;                // of the block's first channel
  const int32_t* output_offsets;  // by pixel
  int64_t pixels;
  const TapRun* runs;
  int64_t run_count;
  const void* weights;      // of the block
  const int32_t* bias;      // of the block, by slot
  const float* multiplier;  // of the block, by slot
  const uint8_t* tables;    // of kernels that look products up
  float low, high;          // what float sums are clamped to, zero point not yet added
  int32_t zero_point;
  int64_t channels;  // of the block that are written
  bool gives_float;
};

// Where channel c of a block stands among its sums: two vectors of `lanes` 32-bit sums; a block of
// more channels is several of these, one after another.
inline int64_t channel_slot(int64_t c, int64_t lanes) {
  const int64_t block = c / (2 * lanes), in_block = c % (2 * lanes);
  return block * 2 * lanes + in_block / 4 % 2 * lanes + in_block / 8 * 4 + in_block % 4;
}

// The same for a block of as many channels as a vector has bytes, in four vectors of sums.
inline int64_t byte_slot(int64_t c, int64_t lanes) {
  return c % 16 / 4 * lanes + c / 16 * 4 + c % 4;
}

}  // namespace halftone::runtime

// What the kernels for convolutions with many input channels share: the packing of weights into
// blocks of output channels, and the loop over strips of pixels and blocks. A kernel brings the
// order of its walk, how a weight is stored, and the work on a tile.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "halftone/runtime/aligned_buffer.h"
#include "halftone/runtime/kernels/tap_runs.h"
#include "halftone/runtime/split.h"

namespace halftone::runtime {

struct DensePlan {
  std::vector<Stretch> walk;
  int64_t lanes = 4;          // 32-bit sums in a vector; half as many where a block is one vector
  int64_t block = 8;          // channels of a block, a multiple of 2 * lanes
  int64_t step_elements = 4;  // inputs that one step multiplies
  int64_t step_bytes = 4;     // what they take in the prepared input
  int64_t parts = 1;          // a step's weights stand part by part, each over all slots
  int64_t slot_bytes = 4;     // packed weights of one channel and part
  // Writes the weights of one output (-1: none) for one part of a step, counted over the whole row.
  std::function<void(int64_t output, const TapRow& row, int64_t part, std::byte* slot)> pack;
  void (*tile)(const TileTask&) = nullptr;
  // Where a channel's weights stand in a part; left out: at channel_slot(), as its bias does.
  std::function<int64_t(int64_t channel)> weight_slot = {};
  int32_t bias_offset = 0;           // added to every bias
  std::vector<uint8_t> tables = {};  // given to the tile function
};

// Calls convert(first, count) for pieces of so many codes, split among threads. All but the last end
// where a vector does.
template <typename Convert>
void each_piece(size_t codes, ThreadPool& pool, const Convert& convert) {
  constexpr size_t kPiece = kReadableTail;  // no vector is longer
  const auto pieces = static_cast<int64_t>((codes + kPiece - 1) / kPiece);
  split(pool, pieces, static_cast<int64_t>(codes), [&](int64_t begin, int64_t end) {
    const size_t first = static_cast<size_t>(begin) * kPiece;
    convert(first, std::min(codes, static_cast<size_t>(end) * kPiece) - first);
  });
}

class DenseKernel : public ConvolutionKernel {
 public:
  DenseKernel(const Convolution& problem, const DensePlan& plan);

  void prepare(const Layout& input, const Layout& output) override;
  size_t weight_bytes() const override { return weights_.size(); }
  void run(const ConvolutionTask& task) const override;

 protected:
  // The input as the tile function reads it: element i of the layout at byte i * step_bytes /
  // step_elements. By default the codes themselves.
  virtual const uint8_t* prepared_input(const ConvolutionTask& task) const { return task.input; }

 private:
  void pack(const Convolution& problem, const DensePlan& plan);
  void run_strip(const ConvolutionTask& task, const uint8_t* input, int64_t strip) const;
  int64_t strips_per_image() const { return (pixels_ + strip_pixels_ - 1) / strip_pixels_; }

  Window window_;
  int64_t groups_, group_inputs_, group_outputs_, step_elements_, step_bytes_;
  CodeType output_;
  bool gives_float_;
  void (*tile_)(const TileTask&);
  std::vector<Stretch> walk_;
  int64_t block_, blocks_;  // channels of a block, blocks of a group
  size_t block_weight_bytes_ = 0;
  uint64_t macs_per_pixel_ = 0;
  AlignedBuffer weights_;          // by group, block, step and slot
  std::vector<int32_t> bias_;      // by group, block and slot
  std::vector<float> multiplier_;  // by group, block and slot
  AlignedBuffer tables_;
  // Final layouts.
  std::vector<TapRun> runs_;
  std::vector<int32_t> input_offsets_, output_offsets_;  // by pixel of an image
  int64_t pixels_ = 0, strip_pixels_ = 1;
};

}  // namespace halftone::runtime

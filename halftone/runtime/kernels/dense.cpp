#include "halftone/runtime/kernels/dense.h"

#include <algorithm>

namespace halftone::runtime {
namespace {

// Input that a strip's pixels add: small enough to stay in the first-level cache while all blocks
// of channels sweep it.
constexpr int64_t kStripBytes = 16 * 1024;
// A whole number of tiles of 4, 5, 6 and 10 pixels.
constexpr int64_t kStripMultiple = 60;
// Layers with less work run on one thread: about 50 microseconds.
constexpr uint64_t kThreadedMacs = 4'000'000;

int64_t strip_pixels(const Window& window, const Layout& input, int64_t input_bytes) {
  const int64_t bytes_per_pixel =
      std::max<int64_t>(1, window.stride_y * window.stride_x * input.pitch * input_bytes);
  return std::max<int64_t>(1, kStripBytes / bytes_per_pixel / kStripMultiple) * kStripMultiple;
}

}  // namespace

DenseKernel::DenseKernel(const Convolution& problem, const DensePlan& plan)
    : window_(problem.window),
      groups_(problem.groups),
      group_inputs_(problem.group_inputs()),
      group_outputs_(problem.group_outputs()),
      step_elements_(plan.step_elements),
      step_bytes_(plan.step_bytes),
      output_(problem.output),
      gives_float_(problem.gives_float),
      tile_(plan.tile),
      walk_(plan.walk),
      block_(plan.block),
      blocks_((group_outputs_ + block_ - 1) / block_),
      tables_(plan.tables.size()) {
  std::ranges::copy(plan.tables, reinterpret_cast<uint8_t*>(tables_.data()));
  macs_per_pixel_ = static_cast<uint64_t>(problem.outputs * window_.taps() * group_inputs_);
  pack(problem, plan);
}

void DenseKernel::pack(const Convolution& problem, const DensePlan& plan) {
  int64_t steps = 0;
  for (const Stretch& stretch : walk_) steps += stretch.steps * plan.parts;
  block_weight_bytes_ = static_cast<size_t>(steps * block_ * plan.slot_bytes);
  const auto blocks = static_cast<size_t>(groups_ * blocks_);
  weights_ = AlignedBuffer(blocks * block_weight_bytes_);
  bias_.resize(blocks * static_cast<size_t>(block_));
  multiplier_.resize(bias_.size());
  std::byte* at = weights_.data();
  for (int64_t block = 0; block < groups_ * blocks_; ++block) {
    const int64_t group = block / blocks_;
    std::vector<int64_t> output_of_slot(static_cast<size_t>(block_), -1);
    for (int64_t c = 0; c < block_; ++c) {
      const int64_t in_group = block % blocks_ * block_ + c;
      if (in_group >= group_outputs_) continue;
      const int64_t output = group * group_outputs_ + in_group;
      const int64_t slot = channel_slot(c, plan.lanes);
      output_of_slot[static_cast<size_t>(plan.weight_slot ? plan.weight_slot(c) : slot)] = output;
      const auto at_slot = static_cast<size_t>(block * block_ + slot);
      // Sums of 32 bits wrap around on the way and end where they should.
      bias_[at_slot] =
          static_cast<int32_t>(static_cast<uint32_t>(problem.bias[static_cast<size_t>(output)]) +
                               static_cast<uint32_t>(plan.bias_offset));
      multiplier_[at_slot] = problem.multiplier[static_cast<size_t>(output)];
    }
    for (const Stretch& stretch : walk_)
      for (int64_t part = stretch.first_step * plan.parts;
           part < (stretch.first_step + stretch.steps) * plan.parts; ++part)
        for (const int64_t output : output_of_slot) {
          plan.pack(output, stretch.row, part, at);
          at += plan.slot_bytes;
        }
  }
}

void DenseKernel::prepare(const Layout& input, const Layout& output) {
  const auto bytes = [&](int64_t elements) {
    return static_cast<int32_t>(elements * step_bytes_ / step_elements_);
  };
  runs_.clear();
  for (const Stretch& stretch : walk_) {
    const int64_t tap = stretch.row.y * window_.dilation_y * input.row_bytes() +
                        stretch.row.x * window_.dilation_x * input.pitch;
    runs_.push_back({bytes(tap + stretch.first_step * step_elements_),
                     static_cast<int32_t>(stretch.steps), stretch.is_flushed});
  }
  pixels_ = output.pixels();
  strip_pixels_ = strip_pixels(window_, input, std::max<int64_t>(1, step_bytes_ / step_elements_));
  input_offsets_.clear();
  output_offsets_.clear();
  for (int64_t y = 0; y < output.height; ++y)
    for (int64_t x = 0; x < output.width; ++x) {
      const int64_t first_tap = input.pixel(0, y * window_.stride_y - window_.pad_top,
                                            x * window_.stride_x - window_.pad_left);
      input_offsets_.push_back(bytes(first_tap));
      output_offsets_.push_back(static_cast<int32_t>(output.pixel(0, y, x)));
    }
}

void DenseKernel::run_strip(const ConvolutionTask& task, const uint8_t* input,
                            int64_t strip) const {
  const int64_t image = strip / strips_per_image(),
                first = strip % strips_per_image() * strip_pixels_;
  const int64_t output_bytes = gives_float_ ? sizeof(float) : 1;
  TileTask tile{};
  tile.input_offsets = input_offsets_.data() + first;
  tile.output_offsets = output_offsets_.data() + first;
  tile.pixels = std::min(strip_pixels_, pixels_ - first);
  tile.runs = runs_.data();
  tile.run_count = static_cast<int64_t>(runs_.size());
  tile.low = static_cast<float>(-output_.zero_point);
  tile.high = static_cast<float>(output_.qmax - output_.zero_point);
  tile.zero_point = output_.zero_point;
  tile.gives_float = gives_float_;
  tile.tables = reinterpret_cast<const uint8_t*>(tables_.data());
  for (int64_t group = 0; group < groups_; ++group)
    for (int64_t block = 0; block < blocks_; ++block) {
      const int64_t index = group * blocks_ + block, channel = block * block_;
      const int64_t first_input = image * task.input_layout.image_bytes() + group * group_inputs_;
      const int64_t first_output =
          image * task.output_layout.image_bytes() + group * group_outputs_ + channel;
      tile.input = input + first_input * step_bytes_ / step_elements_;
      tile.output = static_cast<uint8_t*>(task.output) + first_output * output_bytes;
      tile.weights = weights_.data() + static_cast<size_t>(index) * block_weight_bytes_;
      tile.bias = bias_.data() + index * block_;
      tile.multiplier = multiplier_.data() + index * block_;
      tile.channels = std::min(block_, group_outputs_ - channel);
      tile_(tile);
    }
}

void DenseKernel::run(const ConvolutionTask& task) const {
  const uint8_t* input = prepared_input(task);
  const int64_t strips = strips_per_image() * task.output_layout.batch;
  const auto body = [&](int64_t begin, int64_t end) {
    for (int64_t strip = begin; strip < end; ++strip) run_strip(task, input, strip);
  };
  const uint64_t macs = macs_per_pixel_ * static_cast<uint64_t>(pixels_ * task.output_layout.batch);
  if (macs < kThreadedMacs) return body(0, strips);
  task.pool.parallel(strips, body);
}

}  // namespace halftone::runtime

// Random convolutions and what they compute, for the tests of kernels.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "halftone/base/rng.h"
#include "halftone/runtime/aligned_buffer.h"
#include "halftone/runtime/convolution.h"

namespace halftone::runtime {

// Weights of `bits` (1: -1 and 1), biases, multipliers and the output's type, for the sizes that
// `problem` has.
inline void fill_randomly(Convolution& problem, int bits, Rng& rng) {
  const auto below = [&](int64_t bound) {
    return static_cast<int64_t>(rng.below(static_cast<uint64_t>(bound)));
  };
  problem.weights.resize(
      static_cast<size_t>(problem.outputs * problem.window.taps() * problem.group_inputs()));
  const int64_t half = int64_t{1} << (bits - 1);
  for (int16_t& weight : problem.weights)
    weight = static_cast<int16_t>(bits == 1 ? 2 * below(2) - 1 : below(2 * half) - half);
  problem.bias.resize(static_cast<size_t>(problem.outputs));
  problem.multiplier.resize(problem.bias.size());
  for (int32_t& bias : problem.bias) bias = static_cast<int32_t>(below(2001) - 1000);
  // About the whole range of the output, and over it.
  const double spread =
      static_cast<double>(problem.most_input) * static_cast<double>(half) *
      std::sqrt(static_cast<double>(problem.window.taps() * problem.group_inputs()));
  for (float& m : problem.multiplier)
    m = static_cast<float>((0.2 + rng.uniform()) * 200.0 / spread);
  problem.output = {.scale = 1.0f,
                    .zero_point = static_cast<int32_t>(below(256)),
                    .qmax = static_cast<int32_t>(1 + below(255)),
                    .shift = 0};
}

// An input for a convolution, with space for its output.
class Instance {
 public:
  // Random codes up to most_input; the border holds another random code.
  Instance(const Convolution& problem, int64_t batch, int64_t height, int64_t width, Rng& rng) {
    const Window& w = problem.window;
    height = std::max(height, (w.height - 1) * w.dilation_y + 1 - w.pad_top - w.pad_bottom);
    width = std::max(width, (w.width - 1) * w.dilation_x + 1 - w.pad_left - w.pad_right);
    input_layout_ = layout_of({batch, problem.inputs, height, width});
    input_layout_.widen(w.pad_top + static_cast<int64_t>(rng.below(2)), w.pad_left, w.pad_bottom,
                        w.pad_right);
    const auto size = [](int64_t in, int64_t pads, int64_t extent, int64_t stride) {
      return (in + pads - extent) / stride + 1;
    };
    output_layout_ = layout_of(
        {batch, problem.outputs,
         size(height, w.pad_top + w.pad_bottom, (w.height - 1) * w.dilation_y + 1, w.stride_y),
         size(width, w.pad_left + w.pad_right, (w.width - 1) * w.dilation_x + 1, w.stride_x)});
    output_layout_.widen(0, static_cast<int64_t>(rng.below(2)), 0,
                         static_cast<int64_t>(rng.below(3)));
    input_ = AlignedBuffer(input_layout_.bytes());
    const auto bound = static_cast<uint64_t>(problem.most_input + 1);
    for (size_t i = 0; i < input_.size(); ++i) codes()[i] = static_cast<uint8_t>(rng.below(bound));
    fill_border(input_layout_, static_cast<uint8_t>(rng.below(bound)), codes());
  }

  uint8_t* codes() { return reinterpret_cast<uint8_t*>(input_.data()); }
  const Layout& input_layout() const { return input_layout_; }
  const Layout& output_layout() const { return output_layout_; }

  // Bytes of the output's pixels and border; padding between channels, which nobody reads, as 0.
  std::vector<uint8_t> reference(const Convolution& problem) const {
    return output_of(
        problem, [&](const ConvolutionTask& task) { convolve_by_reference(problem, task); }, 1, 0);
  }
  std::vector<uint8_t> result(ConvolutionKernel& kernel, const Convolution& problem,
                              int threads) const {
    kernel.prepare(input_layout_, output_layout_);
    return output_of(
        problem, [&](const ConvolutionTask& task) { kernel.run(task); }, threads,
        kernel.scratch_bytes());
  }

 private:
  template <typename Compute>
  std::vector<uint8_t> output_of(const Convolution& problem, const Compute& compute, int threads,
                                 size_t scratch_bytes) const {
    const size_t element = problem.gives_float ? sizeof(float) : 1;
    AlignedBuffer output(output_layout_.bytes() * element), scratch(scratch_bytes);
    std::memset(output.data(), 0xA5, output.size());
    ThreadPool pool(threads);
    compute({reinterpret_cast<const uint8_t*>(input_.data()), input_layout_, output.data(),
             output_layout_, scratch.data(), pool});
    std::vector<uint8_t> bytes(output.size());
    std::memcpy(bytes.data(), output.data(), output.size());
    for (int64_t pixel = 0; pixel < output_layout_.batch * output_layout_.image_bytes();
         pixel += output_layout_.pitch)
      std::fill(bytes.begin() + (pixel + problem.outputs) * static_cast<int64_t>(element),
                bytes.begin() + (pixel + output_layout_.pitch) * static_cast<int64_t>(element),
                uint8_t{0});
    return bytes;
  }

  Layout input_layout_, output_layout_;
  AlignedBuffer input_;
};

}  // namespace halftone::runtime

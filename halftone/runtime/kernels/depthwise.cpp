// "depthwise": one filter a channel. Vectors run along the channels; two taps' codes, widened to 16
// bits and interleaved, meet their weights in one instruction that sums pairs in 32 bits: exact for
// any weights.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/depthwise.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

HWY_INLINE VShorts load_words(const uint8_t* codes) {
  const hn::Rebind<uint8_t, Shorts> narrow;
  return hn::PromoteTo(Shorts(), hn::LoadU(narrow, codes));
}

// Runs are pairs of taps: the first one's offset, and in `steps` the distance to the second.
HWY_INLINE BlockSums depthwise_sums(const TileTask& task, int64_t pixel, BlockSums sums) {
  const Shorts shorts;
  const size_t lanes = hn::Lanes(shorts);
  const auto* weights = static_cast<const int16_t*>(task.weights);
  const uint8_t* input = task.input + task.input_offsets[pixel];
  for (int64_t pair = 0; pair < task.run_count; ++pair, weights += 2 * lanes) {
    const uint8_t* tap = input + task.runs[pair].offset;
    const VShorts x = load_words(tap), y = load_words(tap + task.runs[pair].steps);
    sums.even =
        hn::Add(sums.even, pair_sums(hn::InterleaveLower(shorts, x, y), hn::Load(shorts, weights)));
    sums.odd = hn::Add(
        sums.odd, pair_sums(hn::InterleaveUpper(shorts, x, y), hn::Load(shorts, weights + lanes)));
  }
  return sums;
}

void DepthwiseTiles(const TileTask& task) {
  const BlockEnd end(task);
  const BlockSums bias = block_bias(task);
  for (int64_t pixel = 0; pixel < task.pixels; ++pixel)
    end.store(depthwise_sums(task, pixel, bias), task.output_offsets[pixel]);
}

int64_t DepthwiseLanes() { return static_cast<int64_t>(hn::Lanes(Ints())); }

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "halftone/runtime/aligned_buffer.h"
#include "halftone/runtime/convolution.h"

namespace halftone::runtime {
HWY_EXPORT(DepthwiseTiles);
HWY_EXPORT(DepthwiseLanes);

namespace {

class DepthwiseKernel : public ConvolutionKernel {
 public:
  explicit DepthwiseKernel(const Convolution& problem)
      : window_(problem.window),
        channels_(problem.outputs),
        output_(problem.output),
        gives_float_(problem.gives_float),
        block_(2 * HWY_DYNAMIC_DISPATCH(DepthwiseLanes)()) {
    const int64_t pairs = (window_.taps() + 1) / 2;
    block_bytes_ = static_cast<size_t>(pairs * block_) * 2 * sizeof(int16_t);
    weights_ = AlignedBuffer(static_cast<size_t>(blocks()) * block_bytes_);
    bias_.resize(static_cast<size_t>(blocks() * block_));
    multiplier_.resize(bias_.size());
    auto* weights = reinterpret_cast<int16_t*>(weights_.data());
    for (int64_t c = 0; c < channels_; ++c) {
      const int64_t slot = channel_slot(c % block_, block_ / 2), first = c / block_ * block_;
      bias_[static_cast<size_t>(first + slot)] = problem.bias[static_cast<size_t>(c)];
      multiplier_[static_cast<size_t>(first + slot)] = problem.multiplier[static_cast<size_t>(c)];
      for (int64_t tap = 0; tap < window_.taps(); ++tap)
        weights[((c / block_ * pairs + tap / 2) * block_ + slot) * 2 + tap % 2] =
            *problem.tap(c, tap);
    }
  }

  size_t weight_bytes() const override { return weights_.size(); }

  void prepare(const Layout& input, const Layout& output) override {
    const auto offset = [&](int64_t tap) {
      return static_cast<int32_t>(tap / window_.width * window_.dilation_y * input.row_bytes() +
                                  tap % window_.width * window_.dilation_x * input.pitch);
    };
    pairs_.clear();
    for (int64_t tap = 0; tap < window_.taps(); tap += 2) {
      const bool has_second = tap + 1 < window_.taps();
      pairs_.push_back(
          {.offset = offset(tap), .steps = has_second ? offset(tap + 1) - offset(tap) : 0});
    }
    input_x_.clear();
    output_x_.clear();
    for (int64_t x = 0; x < output.width; ++x) {
      input_x_.push_back(static_cast<int32_t>(x * window_.stride_x * input.pitch));
      output_x_.push_back(static_cast<int32_t>(x * output.pitch));
    }
  }

  void run(const ConvolutionTask& task) const override {
    const int64_t rows = task.output_layout.batch * task.output_layout.height;
    const auto body = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        run_row(task, row / task.output_layout.height, row % task.output_layout.height);
    };
    constexpr int64_t kThreadedMacs = 400'000;  // about 50 microseconds
    if (rows * task.output_layout.width * channels_ * window_.taps() < kThreadedMacs)
      return body(0, rows);
    task.pool.parallel(rows, body);
  }

 private:
  int64_t blocks() const { return (channels_ + block_ - 1) / block_; }

  void run_row(const ConvolutionTask& task, int64_t image, int64_t y) const {
    const int64_t element = gives_float_ ? sizeof(float) : 1;
    const int64_t in =
        task.input_layout.pixel(image, y * window_.stride_y - window_.pad_top, -window_.pad_left);
    const int64_t out = task.output_layout.pixel(image, y, 0);
    for (int64_t block = 0; block < blocks(); ++block) {
      const int64_t channel = block * block_;
      const TileTask tile{.input = task.input + in + channel,
                          .input_offsets = input_x_.data(),
                          .output = static_cast<uint8_t*>(task.output) + (out + channel) * element,
                          .output_offsets = output_x_.data(),
                          .pixels = task.output_layout.width,
                          .runs = pairs_.data(),
                          .run_count = static_cast<int64_t>(pairs_.size()),
                          .weights = weights_.data() + static_cast<size_t>(block) * block_bytes_,
                          .bias = bias_.data() + channel,
                          .multiplier = multiplier_.data() + channel,
                          .tables = nullptr,
                          .low = static_cast<float>(-output_.zero_point),
                          .high = static_cast<float>(output_.qmax - output_.zero_point),
                          .zero_point = output_.zero_point,
                          .channels = std::min(block_, channels_ - channel),
                          .gives_float = gives_float_};
      HWY_DYNAMIC_DISPATCH(DepthwiseTiles)(tile);
    }
  }

  Window window_;
  int64_t channels_;
  CodeType output_;
  bool gives_float_;
  int64_t block_;  // channels
  size_t block_bytes_ = 0;
  AlignedBuffer weights_;  // by block, pair of taps, slot and tap
  std::vector<int32_t> bias_;
  std::vector<float> multiplier_;
  std::vector<TapRun> pairs_;
  std::vector<int32_t> input_x_, output_x_;
};

std::unique_ptr<ConvolutionKernel> make(const Convolution& problem, std::string& reason) {
  if (!problem.is_depthwise()) return nullptr;
  reason = "one filter a channel";
  return std::make_unique<DepthwiseKernel>(problem);
}

HALFTONE_REGISTER(ConvolutionMethod, "depthwise", "16-bit products of one filter a channel", 100,
                  make);

}  // namespace
}  // namespace halftone::runtime
#endif

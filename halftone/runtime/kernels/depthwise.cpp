// "depthwise": one filter a channel. Vectors run along the channels. The taps of a column that lie
// below each other are interleaved, so that one instruction multiplies and sums them: pairs of 16
// bits, exact for any weights, or four bytes where the CPU has dot products. A column is
// interleaved once for all pixels of a strip whose windows it lies in.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/depthwise.cpp"
#include "halftone/runtime/kernels/depthwise.h"

#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

HWY_INLINE VShorts load_words(const uint8_t* codes) {
  const hn::Rebind<uint8_t, Shorts> narrow;
  return hn::PromoteTo(Shorts(), hn::LoadU(narrow, codes));
}

// How a group of taps is interleaved, and what multiplies it. `first`: the code of the highest tap;
// past the lowest it stands in their place, and their weights are zero.
struct TapPairs {
  using End = BlockEnd;
  struct Weights {
    VShorts even, odd;
  };
  static constexpr int64_t kTaps = 2;

  static HWY_INLINE void interleave(const uint8_t* first, int64_t row_bytes, int64_t taps,
                                    uint8_t* to) {
    const Shorts shorts;
    const VShorts a = load_words(first), b = taps > 1 ? load_words(first + row_bytes) : a;
    auto* words = reinterpret_cast<int16_t*>(to);
    hn::Store(hn::InterleaveLower(shorts, a, b), shorts, words);
    hn::Store(hn::InterleaveUpper(shorts, a, b), shorts, words + hn::Lanes(shorts));
  }
  static HWY_INLINE Weights load(const std::byte* at) {
    const auto* words = reinterpret_cast<const int16_t*>(at);
    return {hn::Load(Shorts(), words), hn::Load(Shorts(), words + hn::Lanes(Shorts()))};
  }
  static HWY_INLINE void add(const uint8_t* column, const Weights& w, BlockSums& sums) {
    const Weights x = load(reinterpret_cast<const std::byte*>(column));
    sums.even = hn::Add(sums.even, pair_sums(x.even, w.even));
    sums.odd = hn::Add(sums.odd, pair_sums(x.odd, w.odd));
  }
};

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
// As many channels as a vector has bytes. Within 128 bits, channels 4i .. 4i+3 are in vector i.
struct FourSums {
  VInts first, second, third, fourth;
};

// Multipliers are read when they are used: the registers are full of sums.
struct FourEnd : CodeEnd {
  using Sums = FourSums;
  using CodeEnd::CodeEnd;

  HWY_INLINE FourSums bias() const {
    const auto part = [&](size_t i) { return hn::LoadU(Ints(), task.bias + i * lanes()); };
    return {part(0), part(1), part(2), part(3)};
  }
  HWY_INLINE void store(const FourSums& sums, int64_t offset) const {
    if (HWY_UNLIKELY(task.gives_float)) return store_floats(sums, offset);
    const VShorts a = hn::ReorderDemote2To(Shorts(), codes(sums.first, multiplier(0)),
                                           codes(sums.second, multiplier(1)));
    const VShorts b = hn::ReorderDemote2To(Shorts(), codes(sums.third, multiplier(2)),
                                           codes(sums.fourth, multiplier(3)));
    store_codes(packed_words(a, b), Bytes(), task, offset);
  }

 private:
  static HWY_INLINE size_t lanes() { return hn::Lanes(Floats()); }
  HWY_INLINE VFloats multiplier(size_t i) const {
    return hn::LoadU(Floats(), task.multiplier + i * lanes());
  }
  HWY_NOINLINE void store_floats(const FourSums& sums, int64_t offset) const {
    float all[HWY_MAX_BYTES];
    const auto put = [&](VInts sum, size_t i) {
      hn::StoreU(hn::Mul(hn::ConvertTo(Floats(), sum), multiplier(i)), Floats(), all + i * lanes());
    };
    put(sums.first, 0);
    put(sums.second, 1);
    put(sums.third, 2);
    put(sums.fourth, 3);
    write_floats(all, static_cast<int64_t>(lanes()), byte_slot, task, offset);
  }
};

struct TapQuads {
  using End = FourEnd;
  struct Weights {
    VSignedBytes first, second, third, fourth;
  };
  static constexpr int64_t kTaps = 4;

  static HWY_INLINE void interleave(const uint8_t* first, int64_t row_bytes, int64_t taps,
                                    uint8_t* to) {
    const Bytes bytes;
    const hn::RebindToUnsigned<Shorts> words;
    const VBytes a = hn::LoadU(bytes, first);
    const VBytes b = taps > 1 ? hn::LoadU(bytes, first + row_bytes) : a;
    const VBytes c = taps > 2 ? hn::LoadU(bytes, first + 2 * row_bytes) : a;
    const VBytes d = taps > 3 ? hn::LoadU(bytes, first + 3 * row_bytes) : a;
    const auto low_ab = hn::BitCast(words, hn::InterleaveLower(bytes, a, b));
    const auto low_cd = hn::BitCast(words, hn::InterleaveLower(bytes, c, d));
    const auto high_ab = hn::BitCast(words, hn::InterleaveUpper(bytes, a, b));
    const auto high_cd = hn::BitCast(words, hn::InterleaveUpper(bytes, c, d));
    auto* out = reinterpret_cast<uint16_t*>(to);
    const size_t lanes = hn::Lanes(words);
    hn::Store(hn::InterleaveLower(words, low_ab, low_cd), words, out);
    hn::Store(hn::InterleaveUpper(words, low_ab, low_cd), words, out + lanes);
    hn::Store(hn::InterleaveLower(words, high_ab, high_cd), words, out + 2 * lanes);
    hn::Store(hn::InterleaveUpper(words, high_ab, high_cd), words, out + 3 * lanes);
  }
  static HWY_INLINE Weights load(const std::byte* at) {
    const auto part = [&](size_t i) {
      return hn::Load(SignedBytes(),
                      reinterpret_cast<const int8_t*>(at) + i * hn::Lanes(SignedBytes()));
    };
    return {part(0), part(1), part(2), part(3)};
  }
  static HWY_INLINE void add(const uint8_t* column, const Weights& w, FourSums& sums) {
    const auto part = [&](size_t i) { return hn::Load(Bytes(), column + i * hn::Lanes(Bytes())); };
    sums.first = add_quad_sums_at_once(sums.first, part(0), w.first);
    sums.second = add_quad_sums_at_once(sums.second, part(1), w.second);
    sums.third = add_quad_sums_at_once(sums.third, part(2), w.third);
    sums.fourth = add_quad_sums_at_once(sums.fourth, part(3), w.fourth);
  }
};
#endif

// Pixels from `pixel` of a strip on; past its last the last one is repeated, and writes the same
// bytes twice.
template <class Taps, int kPixels>
struct ColumnTile {
  typename Taps::End::Sums sums;
  const uint8_t* column;
  int64_t output;
  ColumnTile<Taps, kPixels - 1> rest;

  HWY_INLINE ColumnTile(const DepthwiseTask& task, const uint8_t* columns,
                        const int32_t* output_offsets, int64_t pixel, int64_t last)
      : column(columns + HWY_MIN(pixel, last) * task.stride * task.column_bytes),
        output(output_offsets[HWY_MIN(pixel, last)]),
        rest(task, columns, output_offsets, pixel + 1, last) {}
  HWY_INLINE void start(const typename Taps::End::Sums& bias) {
    sums = bias;
    rest.start(bias);
  }
  HWY_INLINE void add(int64_t offset, const typename Taps::Weights& weights) {
    Taps::add(column + offset, weights, sums);
    rest.add(offset, weights);
  }
  HWY_INLINE void store(const typename Taps::End& end) const {
    end.store(sums, output);
    rest.store(end);
  }
};

template <class Taps>
struct ColumnTile<Taps, 0> {
  HWY_INLINE ColumnTile(const DepthwiseTask&, const uint8_t*, const int32_t*, int64_t, int64_t) {}
  HWY_INLINE void start(const typename Taps::End::Sums&) {}
  HWY_INLINE void add(int64_t, const typename Taps::Weights&) {}
  HWY_INLINE void store(const typename Taps::End&) const {}
};

template <class Taps, int kPixels>
HWY_INLINE void column_tile(const DepthwiseTask& task, const uint8_t* columns,
                            const int32_t* output_offsets, int64_t pixel, int64_t last,
                            const typename Taps::End& end) {
  ColumnTile<Taps, kPixels> tile(task, columns, output_offsets, pixel, last);
  tile.start(end.bias());
  const auto* weights = static_cast<const std::byte*>(task.tile.weights);
  for (int64_t x = 0; x < task.width; ++x)
    for (int64_t group = 0; group < task.column_bytes;
         group += task.group_bytes, weights += task.group_bytes)
      tile.add(x * task.dilation * task.column_bytes + group, Taps::load(weights));
  tile.store(end);
}

template <class Taps, int kPixels>
HWY_INLINE void depthwise_row(const DepthwiseTask& task) {
  alignas(HWY_MAX_BYTES) uint8_t columns[kMostColumnBytes];
  const typename Taps::End end(task.tile);
  for (int64_t first = 0; first < task.tile.pixels; first += task.strip_pixels) {
    const int64_t pixels = HWY_MIN(task.strip_pixels, task.tile.pixels - first);
    const int64_t count = (pixels - 1) * task.stride + (task.width - 1) * task.dilation + 1;
    uint8_t* to = columns;
    for (int64_t x = first * task.stride; x < first * task.stride + count; ++x)
      for (int64_t y = 0; y < task.height; y += Taps::kTaps, to += task.group_bytes)
        Taps::interleave(task.tile.input + y * task.row_bytes + x * task.pitch, task.row_bytes,
                         task.height - y, to);
    const int32_t* output_offsets = task.tile.output_offsets + first;
    int64_t pixel = 0;
    for (; pixel + 1 < pixels; pixel += kPixels)
      column_tile<Taps, kPixels>(task, columns, output_offsets, pixel, pixels - 1, end);
    if (pixel < pixels) column_tile<Taps, 1>(task, columns, output_offsets, pixel, pixels - 1, end);
  }
}

void DepthwisePairs(const DepthwiseTask& task) { depthwise_row<TapPairs, kTilePixels>(task); }
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
constexpr int kQuadPixels = HWY_CAP_GE512 ? kTilePixels : kTilePixels / 2;
void DepthwiseQuads(const DepthwiseTask& task) { depthwise_row<TapQuads, kQuadPixels>(task); }
#else
void DepthwiseQuads(const DepthwiseTask&) { HWY_ABORT("no dot products here"); }
#endif
int64_t DepthwiseLanes() { return static_cast<int64_t>(hn::Lanes(Ints())); }

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "halftone/runtime/aligned_buffer.h"
#include "halftone/runtime/convolution.h"
#include "halftone/runtime/kernels/quads.h"

namespace halftone::runtime {
HWY_EXPORT(DepthwisePairs);
HWY_EXPORT(DepthwiseQuads);
HWY_EXPORT(DepthwiseLanes);

namespace {

void depthwise_pairs(const DepthwiseTask& task) { HWY_DYNAMIC_DISPATCH(DepthwisePairs)(task); }
void depthwise_quads(const DepthwiseTask& task) { HWY_DYNAMIC_DISPATCH(DepthwiseQuads)(task); }

// What one instruction sums: `taps` of a column, for `block` channels.
struct DepthwisePlan {
  int64_t lanes, block, taps, weight_bytes;
  int64_t (*slot)(int64_t channel, int64_t lanes);
  void (*row)(const DepthwiseTask&);
  int64_t groups(const Window& window) const { return (window.height + taps - 1) / taps; }
  int64_t group_bytes() const { return block * taps * weight_bytes; }
};

DepthwisePlan plan_of_pairs() {
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(DepthwiseLanes)();
  return {lanes, 2 * lanes, 2, sizeof(int16_t), channel_slot, depthwise_pairs};
}
DepthwisePlan plan_of_quads() {
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(DepthwiseLanes)();
  return {lanes, 4 * lanes, 4, sizeof(int8_t), byte_slot, depthwise_quads};
}

int64_t window_columns(const Window& window) { return (window.width - 1) * window.dilation_x + 1; }

class DepthwiseKernel : public ConvolutionKernel {
 public:
  DepthwiseKernel(const Convolution& problem, const DepthwisePlan& plan)
      : plan_(plan),
        window_(problem.window),
        channels_(problem.outputs),
        output_(problem.output),
        gives_float_(problem.gives_float),
        groups_(plan.groups(window_)) {
    weights_ = AlignedBuffer(static_cast<size_t>(blocks() * block_bytes()));
    bias_.resize(static_cast<size_t>(blocks() * plan.block));
    multiplier_.resize(bias_.size());
    for (int64_t c = 0; c < channels_; ++c) {
      const int64_t slot = plan.slot(c % plan.block, plan.lanes), block = c / plan.block;
      bias_[static_cast<size_t>(block * plan.block + slot)] = problem.bias[static_cast<size_t>(c)];
      multiplier_[static_cast<size_t>(block * plan.block + slot)] =
          problem.multiplier[static_cast<size_t>(c)];
      for (int64_t y = 0; y < window_.height; ++y)
        for (int64_t x = 0; x < window_.width; ++x) {
          const int64_t group = (block * window_.width + x) * groups_ + y / plan.taps;
          put_weight((group * plan.block + slot) * plan.taps + y % plan.taps,
                     *problem.tap(c, y * window_.width + x));
        }
    }
  }

  size_t weight_bytes() const override { return weights_.size(); }

  void prepare(const Layout& /*input*/, const Layout& output) override {
    output_x_.clear();
    for (int64_t x = 0; x < output.width; ++x)
      output_x_.push_back(static_cast<int32_t>(x * output.pitch));
    const int64_t more_columns = kStripColumnBytes / column_bytes() - window_columns(window_);
    const int64_t pixels = std::max<int64_t>(0, more_columns) / window_.stride_x + 1;
    strip_pixels_ = pixels < kTilePixels ? pixels : pixels / kTilePixels * kTilePixels;
  }

  void run(const ConvolutionTask& task) const override {
    const int64_t rows = task.output_layout.batch * task.output_layout.height;
    const auto body = [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        run_row(task, row / task.output_layout.height, row % task.output_layout.height);
    };
    constexpr int64_t kThreadedMacs = 400'000;  // 10 to 50 microseconds
    if (rows * task.output_layout.width * channels_ * window_.taps() < kThreadedMacs)
      return body(0, rows);
    task.pool.parallel(rows, body);
  }

 private:
  int64_t blocks() const { return (channels_ + plan_.block - 1) / plan_.block; }
  int64_t column_bytes() const { return groups_ * plan_.group_bytes(); }
  int64_t block_bytes() const { return window_.width * column_bytes(); }

  void put_weight(int64_t at, int16_t weight) {
    if (plan_.weight_bytes == sizeof(int8_t))
      reinterpret_cast<int8_t*>(weights_.data())[at] = static_cast<int8_t>(weight);
    else
      reinterpret_cast<int16_t*>(weights_.data())[at] = weight;
  }

  void run_row(const ConvolutionTask& task, int64_t image, int64_t y) const {
    const int64_t element = gives_float_ ? sizeof(float) : 1;
    const Layout& input = task.input_layout;
    const int64_t in =
        input.pixel(image, y * window_.stride_y - window_.pad_top, -window_.pad_left);
    const int64_t out = task.output_layout.pixel(image, y, 0);
    for (int64_t block = 0; block < blocks(); ++block) {
      const int64_t channel = block * plan_.block;
      plan_.row({.tile = {.input = task.input + in + channel,
                          .input_offsets = nullptr,
                          .output = static_cast<uint8_t*>(task.output) + (out + channel) * element,
                          .output_offsets = output_x_.data(),
                          .pixels = task.output_layout.width,
                          .runs = nullptr,
                          .run_count = 0,
                          .weights = weights_.data() + block * block_bytes(),
                          .bias = bias_.data() + channel,
                          .multiplier = multiplier_.data() + channel,
                          .tables = nullptr,
                          .low = static_cast<float>(-output_.zero_point),
                          .high = static_cast<float>(output_.qmax - output_.zero_point),
                          .zero_point = output_.zero_point,
                          .channels = std::min(plan_.block, channels_ - channel),
                          .gives_float = gives_float_},
                 .strip_pixels = strip_pixels_,
                 .height = window_.height,
                 .width = window_.width,
                 .row_bytes = window_.dilation_y * input.row_bytes(),
                 .pitch = input.pitch,
                 .stride = window_.stride_x,
                 .dilation = window_.dilation_x,
                 .group_bytes = plan_.group_bytes(),
                 .column_bytes = column_bytes()});
    }
  }

  DepthwisePlan plan_;
  Window window_;
  int64_t channels_;
  CodeType output_;
  bool gives_float_;
  int64_t groups_;         // of taps in a column
  AlignedBuffer weights_;  // by block, column, group, slot and tap
  std::vector<int32_t> bias_;
  std::vector<float> multiplier_;
  std::vector<int32_t> output_x_;
  int64_t strip_pixels_ = 1;
};

std::unique_ptr<ConvolutionKernel> make_kernel(const Convolution& problem,
                                               const DepthwisePlan& plan, std::string& reason) {
  const int64_t groups = plan.groups(problem.window);
  const bool has_room =
      groups <= kMostColumnBytes / plan.group_bytes() &&
      window_columns(problem.window) <= kMostColumnBytes / (groups * plan.group_bytes());
  if (!has_room) return reason = "the window's columns have no room", nullptr;
  reason = "one filter a channel";
  return std::make_unique<DepthwiseKernel>(problem, plan);
}

std::unique_ptr<ConvolutionKernel> make_pairs(const Convolution& problem, std::string& reason) {
  if (!problem.is_depthwise()) return nullptr;
  return make_kernel(problem, plan_of_pairs(), reason);
}

std::unique_ptr<ConvolutionKernel> make_quads(const Convolution& problem, std::string& reason) {
  if (!problem.is_depthwise()) return nullptr;
  if (!problem.has_byte_weights()) return reason = "weights of more than 8 bits", nullptr;
  const DepthwisePlan plan = has_dot_products() ? plan_of_quads() : plan_of_pairs();
  if (2 * problem.outputs <= plan.block) return reason = "half of a block would idle", nullptr;
  return make_kernel(problem, plan, reason);
}

HALFTONE_REGISTER(ConvolutionMethod, "depthwise", "16-bit products of one filter a channel", 100,
                  make_pairs);
HALFTONE_REGISTER(ConvolutionMethod, "depthwise-dot",
                  "8-bit products of one filter a channel, four summed in 32 bits", 110, make_quads,
                  has_dot_products);

}  // namespace
}  // namespace halftone::runtime
#endif

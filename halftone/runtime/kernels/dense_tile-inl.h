// The tile of dense kernels: kPixels pixels by one block of channels. A Step multiplies; this file
// walks, starts with the bias and ends with codes.
//
//   struct Step {
//     HWY_INLINE void start(const BlockSums& bias);
//     HWY_INLINE BlockSums sums() const;            // of one pixel
//     static HWY_INLINE Weights load(const std::byte*);   // of one step; weight_bytes() apart
//     HWY_INLINE void add(const uint8_t* input, const Weights&);
//     HWY_INLINE void flush();                      // narrow sums into wide ones
//   };
//
// Accumulators are members of nested structs rather than arrays of vectors: g++ 12 keeps those in
// registers.
#if defined(HALFTONE_RUNTIME_DENSE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFTONE_RUNTIME_DENSE_TILE_INL_H_
#undef HALFTONE_RUNTIME_DENSE_TILE_INL_H_
#else
#define HALFTONE_RUNTIME_DENSE_TILE_INL_H_
#endif

#include "halftone/runtime/kernels/requantize-inl.h"
#include "halftone/runtime/kernels/tile.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

// Sums of a block for one pixel.
struct BlockSums {
  VInts even, odd;
};

// The four bytes at `input` in every 32-bit lane.
HWY_INLINE VBytes broadcast4(const uint8_t* input) {
  int32_t quad;
  std::memcpy(&quad, input, sizeof quad);
  return hn::BitCast(Bytes(), hn::Set(Ints(), quad));
}

// What stays the same over a tile's pixels.
struct BlockEnd {
  VFloats multiplier_even, multiplier_odd, low, high;
  VInts zero_point;
  const TileTask& task;

  explicit BlockEnd(const TileTask& t)
      : multiplier_even(hn::LoadU(Floats(), t.multiplier)),
        multiplier_odd(hn::LoadU(Floats(), t.multiplier + hn::Lanes(Floats()))),
        low(hn::Set(Floats(), t.low)),
        high(hn::Set(Floats(), t.high)),
        zero_point(hn::Set(Ints(), t.zero_point)),
        task(t) {}

  HWY_INLINE void store(const BlockSums& sums, int64_t offset) const {
    if (HWY_UNLIKELY(task.gives_float))
      return store_floats(sums, reinterpret_cast<float*>(task.output) + offset);
    const auto codes = block_codes(rounded_steps(sums.even, multiplier_even, low, high),
                                   rounded_steps(sums.odd, multiplier_odd, low, high), zero_point);
    const hn::Half<Bytes> half;
    if (HWY_LIKELY(task.channels == static_cast<int64_t>(hn::Lanes(half))))
      return hn::StoreU(codes, half, task.output + offset);
    uint8_t all[HWY_MAX_BYTES];
    hn::StoreU(codes, half, all);
    std::memcpy(task.output + offset, all, static_cast<size_t>(task.channels));
  }

  HWY_NOINLINE void store_floats(const BlockSums& sums, float* output) const {
    const Floats floats;
    const auto lanes = static_cast<int64_t>(hn::Lanes(floats));
    float all[2 * HWY_MAX_BYTES / sizeof(float)];
    hn::StoreU(hn::Mul(hn::ConvertTo(floats, sums.even), multiplier_even), floats, all);
    hn::StoreU(hn::Mul(hn::ConvertTo(floats, sums.odd), multiplier_odd), floats, all + lanes);
    for (int64_t c = 0; c < task.channels; ++c) output[c] = all[channel_slot(c, lanes)];
  }
};

// Where a pixel's first tap lies, the last pixel's for those past it. The statement hides that it
// is a sum, which g++ 12 would form anew in every step: 3 to 7 % of the time of most kernels.
HWY_INLINE const uint8_t* first_tap(const TileTask& task, int64_t pixel) {
  const uint8_t* input = task.input + task.input_offsets[HWY_MIN(pixel, task.pixels - 1)];
  asm("" : "+r"(input));
  return input;
}

// Pixels from `pixel` on, each with its Step; past the last pixel the last one is repeated, and
// writes the same bytes twice.
template <class Step, int kPixels>
struct Tile {
  Step step;
  const uint8_t* input;
  int64_t output;
  Tile<Step, kPixels - 1> rest;

  HWY_INLINE Tile(const TileTask& task, int64_t pixel)
      : input(first_tap(task, pixel)),
        output(task.output_offsets[HWY_MIN(pixel, task.pixels - 1)]),
        rest(task, pixel + 1) {}
  HWY_INLINE void start(const BlockSums& bias) {
    step.start(bias);
    rest.start(bias);
  }
  HWY_INLINE void add(int64_t offset, const typename Step::Weights& weights) {
    step.add(input + offset, weights);
    rest.add(offset, weights);
  }
  HWY_INLINE void flush() {
    step.flush();
    rest.flush();
  }
  HWY_INLINE void store(const BlockEnd& end) const {
    end.store(step.sums(), output);
    rest.store(end);
  }
};

template <class Step>
struct Tile<Step, 0> {
  HWY_INLINE Tile(const TileTask&, int64_t) {}
  HWY_INLINE void start(const BlockSums&) {}
  HWY_INLINE void add(int64_t, const typename Step::Weights&) {}
  HWY_INLINE void flush() {}
  HWY_INLINE void store(const BlockEnd&) const {}
};

HWY_INLINE BlockSums block_bias(const TileTask& task) {
  return {hn::LoadU(Ints(), task.bias), hn::LoadU(Ints(), task.bias + hn::Lanes(Ints()))};
}

// Runs of whole steps, one after another.
template <class Step, int kPixels>
HWY_INLINE void run_tile(const TileTask& task, int64_t pixel, const BlockEnd& end) {
  Tile<Step, kPixels> tile(task, pixel);
  tile.start(block_bias(task));
  const auto* weights = static_cast<const std::byte*>(task.weights);
  for (int64_t r = 0; r < task.run_count; ++r) {
    int64_t offset = task.runs[r].offset;
    for (int32_t s = task.runs[r].steps; s > 0;
         --s, offset += Step::kInputBytes, weights += Step::weight_bytes())
      tile.add(offset, Step::load(weights));
    if (task.runs[r].is_flushed) tile.flush();
  }
  tile.store(end);
}

// A single pixel (a Gemm's row) gets a tile of its own size.
template <class Step, int kPixels>
HWY_INLINE void run_tiles(const TileTask& task) {
  const BlockEnd end(task);
  int64_t pixel = 0;
  for (; pixel + 1 < task.pixels; pixel += kPixels) run_tile<Step, kPixels>(task, pixel, end);
  if (pixel < task.pixels) run_tile<Step, 1>(task, pixel, end);
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

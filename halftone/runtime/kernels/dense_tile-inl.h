// The tile of dense kernels: kPixels pixels by one block of channels. A Step multiplies; this file
// walks, starts with the bias and ends with codes.
//
//   struct Step {
//     using End = BlockEnd;                               // or NarrowEnd
//     HWY_INLINE void start(const End::Sums& bias);
//     HWY_INLINE End::Sums sums() const;                  // of one pixel
//     static HWY_INLINE Weights load(const std::byte*);   // of one step; weight_bytes() apart
//     HWY_INLINE void add(const uint8_t* input, const Weights&);
//     HWY_INLINE void flush();                            // narrow sums into wide ones
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

// As many codes as `bytes` has lanes, of which the block's channels are written: 16 at a time, which
// is one instruction, where a number of them that is not known ahead would be a call.
template <class D>
HWY_INLINE void store_codes(hn::Vec<D> codes, D bytes, const TileTask& task, int64_t offset) {
  if (HWY_LIKELY(task.channels == static_cast<int64_t>(hn::Lanes(bytes))))
    return hn::StoreU(codes, bytes, task.output + offset);
  HWY_ALIGN uint8_t all[HWY_MAX_BYTES];
  hn::Store(codes, bytes, all);
  uint8_t* output = task.output + offset;
  int64_t c = 0;
  for (; c + 16 <= task.channels; c += 16) std::memcpy(output + c, all + c, 16);
  if (c < task.channels) std::memcpy(output + c, all + c, static_cast<size_t>(task.channels - c));
}

// values: by slot(channel, lanes).
inline void write_floats(const float* values, int64_t lanes, int64_t (*slot)(int64_t, int64_t),
                         const TileTask& task, int64_t offset) {
  float* output = reinterpret_cast<float*>(task.output) + offset;
  for (int64_t c = 0; c < task.channels; ++c) output[c] = values[slot(c, lanes)];
}

// What stays the same over a tile's pixels, whatever the block.
struct CodeEnd {
  VFloats low, high;
  VInts zero_point;
  const TileTask& task;

  explicit CodeEnd(const TileTask& t)
      : low(hn::Set(Floats(), t.low)),
        high(hn::Set(Floats(), t.high)),
        zero_point(hn::Set(Ints(), t.zero_point)),
        task(t) {}
  HWY_INLINE VInts codes(VInts sums, VFloats multiplier) const {
    return hn::Add(rounded_steps(sums, multiplier, low, high), zero_point);
  }
};

// Of a block of two vectors.
struct BlockEnd : CodeEnd {
  using Sums = BlockSums;
  VFloats multiplier_even, multiplier_odd;

  explicit BlockEnd(const TileTask& t)
      : CodeEnd(t),
        multiplier_even(hn::LoadU(Floats(), t.multiplier)),
        multiplier_odd(hn::LoadU(Floats(), t.multiplier + hn::Lanes(Floats()))) {}

  HWY_INLINE BlockSums bias() const {
    return {hn::LoadU(Ints(), task.bias), hn::LoadU(Ints(), task.bias + hn::Lanes(Ints()))};
  }
  HWY_INLINE void store(const BlockSums& sums, int64_t offset) const {
    if (HWY_UNLIKELY(task.gives_float)) return store_floats(sums, offset);
    store_codes(block_codes(codes(sums.even, multiplier_even), codes(sums.odd, multiplier_odd)),
                hn::Half<Bytes>(), task, offset);
  }

 private:
  HWY_NOINLINE void store_floats(const BlockSums& sums, int64_t offset) const {
    const Floats floats;
    float all[2 * HWY_MAX_BYTES / sizeof(float)];
    hn::StoreU(hn::Mul(hn::ConvertTo(floats, sums.even), multiplier_even), floats, all);
    hn::StoreU(hn::Mul(hn::ConvertTo(floats, sums.odd), multiplier_odd), floats,
               all + hn::Lanes(floats));
    write_floats(all, static_cast<int64_t>(hn::Lanes(floats)), channel_slot, task, offset);
  }
};

#if HWY_CAP_GE256
// Of a block of half as many channels, whose two vectors are the halves of one.
struct NarrowEnd : CodeEnd {
  using Sums = VInts;
  VFloats multiplier;

  explicit NarrowEnd(const TileTask& t)
      : CodeEnd(t), multiplier(hn::LoadU(Floats(), t.multiplier)) {}

  HWY_INLINE VInts bias() const { return hn::LoadU(Ints(), task.bias); }
  HWY_INLINE void store(VInts sums, int64_t offset) const {
    if (HWY_UNLIKELY(task.gives_float)) return store_floats(sums, offset);
    const hn::Half<Ints> half;
    const VInts all = codes(sums, multiplier);
    const auto words = hn::ReorderDemote2To(hn::Half<Shorts>(), hn::LowerHalf(half, all),
                                            hn::UpperHalf(half, all));
    const hn::Half<hn::Half<Bytes>> bytes;
    store_codes(hn::DemoteTo(bytes, words), bytes, task, offset);
  }

 private:
  HWY_NOINLINE void store_floats(VInts sums, int64_t offset) const {
    const Floats floats;
    float all[HWY_MAX_BYTES / sizeof(float)];
    hn::StoreU(hn::Mul(hn::ConvertTo(floats, sums), multiplier), floats, all);
    write_floats(all, static_cast<int64_t>(hn::Lanes(floats)) / 2, channel_slot, task, offset);
  }
};
#endif

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
  HWY_INLINE void start(const typename Step::End::Sums& bias) {
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
  HWY_INLINE void store(const typename Step::End& end) const {
    end.store(step.sums(), output);
    rest.store(end);
  }
};

template <class Step>
struct Tile<Step, 0> {
  HWY_INLINE Tile(const TileTask&, int64_t) {}
  HWY_INLINE void start(const typename Step::End::Sums&) {}
  HWY_INLINE void add(int64_t, const typename Step::Weights&) {}
  HWY_INLINE void flush() {}
  HWY_INLINE void store(const typename Step::End&) const {}
};

// Runs of whole steps, one after another.
template <class Step, int kPixels>
HWY_INLINE void run_tile(const TileTask& task, int64_t pixel, const typename Step::End& end) {
  Tile<Step, kPixels> tile(task, pixel);
  tile.start(end.bias());
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
  const typename Step::End end(task);
  int64_t pixel = 0;
  for (; pixel + 1 < task.pixels; pixel += kPixels) run_tile<Step, kPixels>(task, pixel, end);
  if (pixel < task.pixels) run_tile<Step, 1>(task, pixel, end);
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// "lookup": sums of products looked up, for weights of one and two bits.
//
// T-MAC (Wei et al. 2024, arXiv 2407.00088) turned round: activations of k bits make the table a
// constant of the layer. G neighbouring channels with na = 2^k codes each are one number, code =
// sum a_g * na^g; G weights of 4 / G bits each are one index of 4 bits; and table[code][index] =
// base + sum a_g * level(index_g) is one byte, so that an instruction that looks up 16 bytes at
// once gives the sums of G products for as many output channels as a vector has bytes. Levels are
// any integers: codebooks cost nothing extra. `base` makes every entry non-negative; it is taken
// off in the bias. Bytes are added until they could overflow, then go into 16 bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/lookup.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

// Sums of one byte vector's channels: two blocks. Of the four bytes of a 32-bit lane, bytes 0 and 2
// belong to the first block's even and odd vector, bytes 1 and 3 to the second's.
struct LookupSums {
  VBytes bytes;
  VShorts first, second;

  HWY_INLINE void start() {
    bytes = hn::Zero(Bytes());
    first = second = hn::Zero(Shorts());
  }
  HWY_INLINE void add(VBytes table, VBytes index) {
    bytes = hn::Add(bytes, hn::TableLookupBytes(table, index));
  }
  HWY_INLINE void flush() {
    const hn::RebindToUnsigned<Shorts> words;
    const Shorts shorts;
    const auto pairs = hn::BitCast(words, bytes);
    first = hn::Add(first, hn::BitCast(shorts, hn::And(pairs, hn::Set(words, 0xFF))));
    second = hn::Add(second, hn::BitCast(shorts, hn::ShiftRight<8>(pairs)));
    bytes = hn::Zero(Bytes());
  }
  static HWY_INLINE BlockSums wide(VShorts sums, const BlockSums& bias) {
    const hn::RebindToUnsigned<Ints> words;
    const Ints ints;
    const auto pairs = hn::BitCast(words, sums);
    return {hn::Add(bias.even, hn::BitCast(ints, hn::And(pairs, hn::Set(words, 0xFFFF)))),
            hn::Add(bias.odd, hn::BitCast(ints, hn::ShiftRight<16>(pairs)))};
  }
};

// A block's end and bias for each of a tile's blocks.
struct LookupBlock {
  TileTask task;
  BlockEnd end;
  BlockSums bias;
  LookupBlock(const TileTask& whole, int64_t block)
      : task(part(whole, block)), end(task), bias(end.bias()) {}
  LookupBlock(const LookupBlock&) = delete;

  static TileTask part(TileTask task, int64_t block) {
    const auto channels = static_cast<int64_t>(2 * hn::Lanes(Ints()));
    task.bias += block * channels;
    task.multiplier += block * channels;
    task.output += block * channels * static_cast<int64_t>(task.gives_float ? sizeof(float) : 1);
    task.channels = HWY_MIN(task.channels - block * channels, channels);
    return task;
  }
  HWY_INLINE void store(VShorts sums, int64_t offset) const {
    if (task.channels > 0) end.store(LookupSums::wide(sums, bias), offset);
  }
};

template <int kVectors>
struct LookupEnds {
  LookupBlock first, second;
  LookupEnds<kVectors - 1> rest;
  explicit LookupEnds(const TileTask& task, int64_t block = 0)
      : first(task, block), second(task, block + 1), rest(task, block + 2) {}
};
template <>
struct LookupEnds<0> {
  explicit LookupEnds(const TileTask&, int64_t) {}
};

template <int kVectors>
struct Indices {
  VBytes index;
  Indices<kVectors - 1> rest;
  HWY_INLINE explicit Indices(const uint8_t* at)
      : index(hn::Load(Bytes(), at)), rest(at + hn::Lanes(Bytes())) {}
};
template <>
struct Indices<0> {
  HWY_INLINE explicit Indices(const uint8_t*) {}
};

// One pixel by kVectors vectors of channels.
template <int kVectors>
struct LookupPixel {
  LookupSums sums;
  LookupPixel<kVectors - 1> rest;
  HWY_INLINE void start() {
    sums.start();
    rest.start();
  }
  HWY_INLINE void add(VBytes table, const Indices<kVectors>& indices) {
    sums.add(table, indices.index);
    rest.add(table, indices.rest);
  }
  HWY_INLINE void flush() {
    sums.flush();
    rest.flush();
  }
  HWY_INLINE void store(const LookupEnds<kVectors>& ends, int64_t offset) const {
    ends.first.store(sums.first, offset);
    ends.second.store(sums.second, offset);
    rest.store(ends.rest, offset);
  }
};
template <>
struct LookupPixel<0> {
  HWY_INLINE void start() {}
  HWY_INLINE void add(VBytes, const Indices<0>&) {}
  HWY_INLINE void flush() {}
  HWY_INLINE void store(const LookupEnds<0>&, int64_t) const {}
};

template <int kVectors, int kPixels>
struct LookupTile {
  LookupPixel<kVectors> pixel;
  const uint8_t* input;
  int64_t output;
  LookupTile<kVectors, kPixels - 1> rest;
  HWY_INLINE LookupTile(const TileTask& task, int64_t first)
      : input(first_tap(task, first)),
        output(task.output_offsets[HWY_MIN(first, task.pixels - 1)]),
        rest(task, first + 1) {
    pixel.start();
  }
  HWY_INLINE void add(const uint8_t* tables, int64_t offset, const Indices<kVectors>& indices) {
    uint16_t table;
    std::memcpy(&table, input + offset, sizeof table);
    pixel.add(hn::LoadDup128(Bytes(), tables + table), indices);
    rest.add(tables, offset, indices);
  }
  HWY_INLINE void flush() {
    pixel.flush();
    rest.flush();
  }
  HWY_INLINE void store(const LookupEnds<kVectors>& ends) const {
    pixel.store(ends, output);
    rest.store(ends);
  }
};
template <int kVectors>
struct LookupTile<kVectors, 0> {
  HWY_INLINE LookupTile(const TileTask&, int64_t) {}
  HWY_INLINE void add(const uint8_t*, int64_t, const Indices<kVectors>&) {}
  HWY_INLINE void flush() {}
  HWY_INLINE void store(const LookupEnds<kVectors>&) const {}
};

template <int kVectors, int kPixels>
HWY_INLINE void lookup_tile(const TileTask& task, int64_t pixel, const LookupEnds<kVectors>& ends) {
  LookupTile<kVectors, kPixels> tile(task, pixel);
  const auto* indices = static_cast<const uint8_t*>(task.weights);
  const uint8_t* tables = task.tables;
  for (int64_t r = 0; r < task.run_count; ++r) {
    int64_t offset = task.runs[r].offset;
    for (int32_t s = task.runs[r].steps; s > 0;
         --s, offset += 2, indices += kVectors * hn::Lanes(Bytes()))
      tile.add(tables, offset, Indices<kVectors>(indices));
    if (task.runs[r].is_flushed) tile.flush();
  }
  tile.store(ends);
}

template <int kVectors>
HWY_INLINE void lookup_tiles(const TileTask& task) {
  const LookupEnds<kVectors> ends(task);
  int64_t pixel = 0;
  for (; pixel + 1 < task.pixels; pixel += 4) lookup_tile<kVectors, 4>(task, pixel, ends);
  if (pixel < task.pixels) lookup_tile<kVectors, 1>(task, pixel, ends);
}

void LookupOneVector(const TileTask& task) { lookup_tiles<1>(task); }
void LookupTwoVectors(const TileTask& task) { lookup_tiles<2>(task); }
int64_t LookupLanes() { return static_cast<int64_t>(hn::Lanes(Ints())); }

// Offsets of the tables of two neighbouring codes each: 16 * (a0 + levels * a1); `levels` a power
// of two.
void PairOffsets(const uint8_t* codes, size_t count, int32_t levels, uint16_t* offsets) {
  const Bytes bytes;
  const VBytes mask = hn::Set(bytes, static_cast<uint8_t>(levels - 1));
  const VSignedBytes factors =
      hn::BitCast(SignedBytes(), hn::Set(Shorts(), static_cast<int16_t>(1 | levels << 8)));
  const Shorts shorts;
  for (size_t i = 0; i < count; i += hn::Lanes(bytes)) {
    const VShorts code = pair_sums(hn::And(hn::LoadU(bytes, codes + i), mask), factors);
    hn::StoreU(hn::ShiftLeft<4>(code), shorts, reinterpret_cast<int16_t*>(offsets) + i / 2);
  }
}

// The same of four codes each.
void QuadOffsets(const uint8_t* codes, size_t count, int32_t levels, uint16_t* offsets) {
  const Bytes bytes;
  const Ints ints;
  const VBytes mask = hn::Set(bytes, static_cast<uint8_t>(levels - 1));
  const VSignedBytes factors =
      hn::BitCast(SignedBytes(), hn::Set(Shorts(), static_cast<int16_t>(1 | levels << 8)));
  const VShorts pair_factors = hn::BitCast(Shorts(), hn::Set(ints, 1 | (levels * levels) << 16));
  const hn::Rebind<int16_t, Ints> half;
  for (size_t i = 0; i < count; i += hn::Lanes(bytes)) {
    const VInts code =
        pair_sums(pair_sums(hn::And(hn::LoadU(bytes, codes + i), mask), factors), pair_factors);
    hn::StoreU(hn::DemoteTo(half, hn::ShiftLeft<4>(code)), half,
               reinterpret_cast<int16_t*>(offsets) + i / 4);
  }
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <optional>
#include <set>

#include "halftone/base/error.h"
#include "halftone/runtime/kernels/dense.h"

namespace halftone::runtime {
HWY_EXPORT(LookupOneVector);
HWY_EXPORT(LookupTwoVectors);
HWY_EXPORT(LookupLanes);
HWY_EXPORT(PairOffsets);
HWY_EXPORT(QuadOffsets);

namespace {

void one_vector(const TileTask& task) { HWY_DYNAMIC_DISPATCH(LookupOneVector)(task); }
void two_vectors(const TileTask& task) { HWY_DYNAMIC_DISPATCH(LookupTwoVectors)(task); }

// How weights and inputs become indices and codes.
struct Scheme {
  int64_t group = 2;            // channels of one lookup
  int32_t inputs = 4;           // codes of an input, a power of two
  std::vector<int32_t> levels;  // of a weight: 2 or 4
  int32_t base = 0;
  std::vector<uint8_t> tables;  // by code, 16 entries each
  int64_t steps_between_flushes = 0;

  int64_t index_bits() const { return 4 / group; }
  int32_t level_index(int32_t weight) const {
    return static_cast<int32_t>(std::ranges::find(levels, weight) - levels.begin());
  }
};

// The sum that `code` and `index` stand for.
int32_t sum_of(const Scheme& scheme, int64_t code, int64_t index) {
  int32_t sum = 0;
  for (int64_t g = 0; g < scheme.group; ++g) {
    const int64_t level = index & ((1 << scheme.index_bits()) - 1);
    sum += static_cast<int32_t>(code % scheme.inputs) * scheme.levels[static_cast<size_t>(level)];
    code /= scheme.inputs;
    index >>= scheme.index_bits();
  }
  return sum;
}

bool fill_tables(Scheme& scheme) {
  int64_t codes = 1;
  for (int64_t g = 0; g < scheme.group; ++g) codes *= scheme.inputs;
  int32_t low = 0, high = 0;
  for (int64_t code = 0; code < codes; ++code)
    for (int64_t index = 0; index < 16; ++index) {
      low = std::min(low, sum_of(scheme, code, index));
      high = std::max(high, sum_of(scheme, code, index));
    }
  if (high - low > 255 || high == low) return false;
  scheme.base = -low;
  scheme.steps_between_flushes = 255 / (high - low);
  for (int64_t code = 0; code < codes; ++code)
    for (int64_t index = 0; index < 16; ++index)
      scheme.tables.push_back(static_cast<uint8_t>(sum_of(scheme, code, index) - low));
  return true;
}

// Whether some elements of a row are padding between channels, whose weight must be 0.
bool has_padding(const Convolution& problem, int64_t group) {
  return problem.group_inputs() % group != 0 ||
         (problem.groups == 1 && channel_pitch(problem.inputs) != problem.inputs);
}

std::optional<Scheme> scheme_for(const Convolution& problem, std::string& reason) {
  const std::set<int32_t> found(problem.weights.begin(), problem.weights.end());
  if (found.size() > 4) return reason = text("weights of ", found.size(), " levels"), std::nullopt;
  Scheme scheme;
  scheme.levels.assign(found.begin(), found.end());
  scheme.inputs = problem.most_input <= 1 ? 2 : problem.most_input <= 3 ? 4 : 16;
  if (problem.most_input > 15) return reason = "inputs of more than 4 bits", std::nullopt;
  const bool are_two = found.size() <= 2 && scheme.inputs <= 4;
  scheme.group = are_two ? 4 : 2;
  if (has_padding(problem, scheme.group) && !found.contains(0)) scheme.levels.push_back(0);
  if (scheme.levels.size() > 4) return reason = "padded channels need a weight of 0", std::nullopt;
  if (scheme.levels.size() > 2) scheme.group = 2;
  // Codes of a group are neighbouring bytes, in every pixel and every row.
  const bool are_aligned = channel_pitch(problem.inputs) % scheme.group == 0 &&
                           (problem.groups == 1 || problem.group_inputs() % scheme.group == 0);
  if (!are_aligned) return reason = "its channels do not divide into groups", std::nullopt;
  while (scheme.levels.size() < (size_t{1} << scheme.index_bits()))
    scheme.levels.push_back(scheme.levels.front());
  if (!fill_tables(scheme)) return reason = "a group's sums do not fit a byte", std::nullopt;
  return scheme;
}

// Whole rows, cut where byte sums must be flushed; every last stretch of them too.
std::vector<Stretch> walk_of(const Convolution& problem, const Scheme& scheme) {
  std::vector<Stretch> walk;
  int64_t room = scheme.steps_between_flushes;
  for (const Stretch& row : whole_rows(problem, scheme.group))
    for (int64_t step = 0; step < row.steps;) {
      const int64_t steps = std::min(room, row.steps - step);
      room -= steps;
      walk.push_back({row.row, step, steps, room == 0});
      if (room == 0) room = scheme.steps_between_flushes;
      step += steps;
    }
  walk.back().is_flushed = true;
  return walk;
}

class LookupKernel : public DenseKernel {
 public:
  LookupKernel(const Convolution& problem, const DensePlan& plan, const Scheme& scheme)
      : DenseKernel(problem, plan), group_(scheme.group), inputs_(scheme.inputs) {}
  void prepare(const Layout& input, const Layout& output) override {
    DenseKernel::prepare(input, output);
    codes_ = static_cast<size_t>(input.batch * input.image_bytes());
  }
  size_t scratch_bytes() const override {
    return 2 * codes_ / static_cast<size_t>(group_) + 2 * kReadableTail;
  }

 protected:
  const uint8_t* prepared_input(const ConvolutionTask& task) const override {
    auto* offsets = reinterpret_cast<uint16_t*>(task.scratch);
    each_piece(codes_, task.pool, [&](size_t first, size_t count) {
      const uint8_t* codes = task.input + first;
      if (group_ == 2)
        HWY_DYNAMIC_DISPATCH(PairOffsets)(codes, count, inputs_, offsets + first / 2);
      else
        HWY_DYNAMIC_DISPATCH(QuadOffsets)(codes, count, inputs_, offsets + first / 4);
    });
    return reinterpret_cast<const uint8_t*>(offsets);
  }

 private:
  int64_t group_;
  int32_t inputs_;
  size_t codes_ = 0;
};

std::unique_ptr<ConvolutionKernel> make(const Convolution& problem, std::string& reason) {
  if (problem.is_depthwise()) return nullptr;
  const auto scheme = scheme_for(problem, reason);
  if (!scheme) return nullptr;
  const int64_t lanes = HWY_DYNAMIC_DISPATCH(LookupLanes)(), vector = 4 * lanes;
  // Flushed less often it is faster than adding up products; so it is where its vectors are full.
  if (scheme->steps_between_flushes < 4) return reason = "byte sums overflow too soon", nullptr;
  if (problem.group_outputs() * scheme->group < 2 * vector)
    return reason = text("fewer than ", 2 * vector / scheme->group, " outputs"), nullptr;

  DensePlan plan{.walk = walk_of(problem, *scheme),
                 .lanes = lanes,
                 .block = problem.group_outputs() > vector ? 2 * vector : vector,
                 .step_elements = scheme->group,
                 .step_bytes = 2,
                 .parts = 1,
                 .slot_bytes = 1,
                 .pack = {},
                 .tile = {},
                 .tables = scheme->tables};
  plan.tile = plan.block > vector ? two_vectors : one_vector;
  plan.weight_slot = [lanes, vector](int64_t c) {
    const int64_t in_vector = c % vector, block = in_vector / (2 * lanes),
                  slot = channel_slot(in_vector % (2 * lanes), lanes);
    return c / vector * vector + slot % lanes * 4 + slot / lanes * 2 + block;
  };
  plan.pack = [&problem, &scheme](int64_t output, const TapRow& row, int64_t step,
                                  std::byte* slot) {
    int32_t index = 0;
    for (int64_t g = 0; g < scheme->group && output >= 0; ++g)
      index |= scheme->level_index(weight_at(problem, output, row, scheme->group * step + g))
               << (g * scheme->index_bits());
    *slot = static_cast<std::byte>(index);
  };
  int64_t steps = 0;
  for (const Stretch& stretch : plan.walk) steps += stretch.steps;
  if (steps * 255 > 65535 && steps * (*std::ranges::max_element(scheme->tables)) > 65535)
    return reason = "sums do not fit 16 bits", nullptr;
  plan.bias_offset = -static_cast<int32_t>(steps * scheme->base);
  reason = text(scheme->group, " products a lookup, byte sums last ", scheme->steps_between_flushes,
                " steps");
  return std::make_unique<LookupKernel>(problem, plan, *scheme);
}

// Weights of two levels: four products a lookup, faster than dot products of the CPU too; with two
// products a lookup it is slower than these (docs/results/runtime.md).
std::unique_ptr<ConvolutionKernel> make_of_two_levels(const Convolution& problem,
                                                      std::string& reason) {
  if (problem.is_depthwise()) return nullptr;
  const auto scheme = scheme_for(problem, reason);
  if (!scheme) return nullptr;
  if (scheme->group < 4) return reason = "weights of more than two levels", nullptr;
  return make(problem, reason);
}

HALFTONE_REGISTER(ConvolutionMethod, "lookup", "Sums of products of few levels, looked up", 45,
                  make);
HALFTONE_REGISTER(ConvolutionMethod, "lookup-signs", "Sums of products of two levels, looked up",
                  60, make_of_two_levels);

}  // namespace
}  // namespace halftone::runtime
#endif

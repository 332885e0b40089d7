#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/quads.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

struct QuadWeights {
  VSignedBytes even, odd;
};

HWY_INLINE QuadWeights load_quads(const std::byte* weights) {
  const SignedBytes bytes;
  const auto* at = reinterpret_cast<const int8_t*>(weights);
  return {hn::Load(bytes, at), hn::Load(bytes, at + hn::Lanes(bytes))};
}

// Sums of 16-bit pairs into the 32-bit sums of their channels.
HWY_INLINE VInts widened(VShorts pairs) { return pair_sums(pairs, hn::Set(Shorts(), 1)); }

struct WideSums {
  using End = BlockEnd;
  BlockSums total;
  HWY_INLINE void start(const BlockSums& bias) { total = bias; }
  HWY_INLINE BlockSums sums() const { return total; }
  HWY_INLINE void flush() {}
};

// How four products reach their 32-bit sum.
struct ByPairs {  // within the pair bound
  static HWY_INLINE VInts add(VInts sum, VBytes x, VSignedBytes w) {
    return hn::Add(sum, widened(pair_sums(x, w)));
  }
};
struct ByWords {
  static HWY_INLINE VInts add(VInts sum, VBytes x, VSignedBytes w) {
    return add_quad_sums(sum, x, w);
  }
};
struct AtOnce {  // where has_dot_instruction()
  static HWY_INLINE VInts add(VInts sum, VBytes x, VSignedBytes w) {
    return add_quad_sums_at_once(sum, x, w);
  }
};

template <class Products>
struct QuadStep : WideSums {
  using Weights = QuadWeights;
  static constexpr int64_t kInputBytes = 4;
  static HWY_INLINE size_t weight_bytes() { return 2 * hn::Lanes(SignedBytes()); }
  static HWY_INLINE Weights load(const std::byte* weights) { return load_quads(weights); }
  HWY_INLINE void add(const uint8_t* input, const Weights& w) {
    const VBytes x = broadcast4(input);
    total.even = Products::add(total.even, x, w.even);
    total.odd = Products::add(total.odd, x, w.odd);
  }
};

struct TwoQuadStep : WideSums {
  struct Weights {
    QuadWeights first, second;
  };
  static constexpr int64_t kInputBytes = 8;
  static HWY_INLINE size_t weight_bytes() { return 4 * hn::Lanes(SignedBytes()); }
  static HWY_INLINE Weights load(const std::byte* weights) {
    return {load_quads(weights), load_quads(weights + weight_bytes() / 2)};
  }
  HWY_INLINE void add(const uint8_t* input, const Weights& w) {
    const VBytes x = broadcast4(input), y = broadcast4(input + 4);
    const VShorts even = hn::Add(pair_sums(x, w.first.even), pair_sums(y, w.second.even));
    const VShorts odd = hn::Add(pair_sums(x, w.first.odd), pair_sums(y, w.second.odd));
    total.even = hn::Add(total.even, widened(even));
    total.odd = hn::Add(total.odd, widened(odd));
  }
};

struct LongQuadStep {
  using End = BlockEnd;
  using Weights = QuadWeights;
  static constexpr int64_t kInputBytes = 4;
  VShorts even, odd;
  BlockSums total;
  static HWY_INLINE size_t weight_bytes() { return 2 * hn::Lanes(SignedBytes()); }
  static HWY_INLINE Weights load(const std::byte* weights) { return load_quads(weights); }
  HWY_INLINE void start(const BlockSums& bias) {
    total = bias;
    even = odd = hn::Zero(Shorts());
  }
  HWY_INLINE void add(const uint8_t* input, const Weights& w) {
    const VBytes x = broadcast4(input);
    even = hn::Add(even, pair_sums(x, w.even));
    odd = hn::Add(odd, pair_sums(x, w.odd));
  }
  HWY_INLINE void flush() {
    total = sums();
    even = odd = hn::Zero(Shorts());
  }
  HWY_INLINE BlockSums sums() const {
    return {hn::Add(total.even, widened(even)), hn::Add(total.odd, widened(odd))};
  }
};

#if HWY_CAP_GE256
// One vector of channels: for layers that would leave half of the lanes of two without work.
struct NarrowDotStep {
  using End = NarrowEnd;
  using Weights = VSignedBytes;
  static constexpr int64_t kInputBytes = 4;
  VInts total;
  static HWY_INLINE size_t weight_bytes() { return hn::Lanes(SignedBytes()); }
  static HWY_INLINE Weights load(const std::byte* weights) {
    return hn::Load(SignedBytes(), reinterpret_cast<const int8_t*>(weights));
  }
  HWY_INLINE void start(VInts bias) { total = bias; }
  HWY_INLINE void add(const uint8_t* input, Weights w) {
    total = AtOnce::add(total, broadcast4(input), w);
  }
  HWY_INLINE void flush() {}
  HWY_INLINE VInts sums() const { return total; }
};
#endif

void QuadTiles(const TileTask& task) { run_tiles<QuadStep<ByPairs>, 5>(task); }
void TwoQuadTiles(const TileTask& task) { run_tiles<TwoQuadStep, 4>(task); }
void LongQuadTiles(const TileTask& task) { run_tiles<LongQuadStep, 4>(task); }
// Sums of as many pixels as 32 registers hold, or 16. By words, small code rather than fast.
constexpr int kDotPixels = HWY_CAP_GE512 ? 10 : HWY_CAP_GE256 ? 6 : 2;
void DotTiles(const TileTask& task) { run_tiles<QuadStep<AtOnce>, kDotPixels>(task); }
#if HWY_CAP_GE256
// Of as many pixels as hide the latency of a dot product.
void NarrowDotTiles(const TileTask& task) { run_tiles<NarrowDotStep, 10>(task); }
#else
void NarrowDotTiles(const TileTask&) { HWY_ABORT("no vectors of 8 sums here"); }
#endif
void WordDotTiles(const TileTask& task) { run_tiles<QuadStep<ByWords>, 2>(task); }
bool HasDotInstruction() { return has_dot_instruction(); }
int64_t IntLanes() { return static_cast<int64_t>(hn::Lanes(Ints())); }

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "halftone/base/error.h"
#include "halftone/runtime/kernels/dense.h"
#include "halftone/runtime/kernels/quads.h"

namespace halftone::runtime {
HWY_EXPORT(QuadTiles);
HWY_EXPORT(TwoQuadTiles);
HWY_EXPORT(LongQuadTiles);
HWY_EXPORT(DotTiles);
HWY_EXPORT(NarrowDotTiles);
HWY_EXPORT(WordDotTiles);
HWY_EXPORT(HasDotInstruction);
HWY_EXPORT(IntLanes);

namespace {

constexpr int64_t kMost = 32767;
// Shorter stretches between flushes cost more than the 16-bit sums save.
constexpr int64_t kFewestSteps = 8;

void quad_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(QuadTiles)(task); }
void two_quad_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(TwoQuadTiles)(task); }
void long_quad_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(LongQuadTiles)(task); }
void dot_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(DotTiles)(task); }
void narrow_dot_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(NarrowDotTiles)(task); }
void word_dot_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(WordDotTiles)(task); }

// Sums that one 16-bit lane may hold: of the positive products, and of the negative ones.
struct LaneBound {
  int64_t high = 0, low = 0;
  void add(int64_t product) { (product > 0 ? high : low) += product; }
  int64_t most() const { return std::max(high, -low); }
};

// A lane's products in one step: the weights of elements 4 * step + 2 * half and the next.
void add_pair(const Convolution& problem, int64_t output, const TapRow& row, int64_t first,
              LaneBound& lane) {
  for (int64_t e = first; e < first + 2; ++e)
    lane.add(int64_t{problem.most_input} * weight_at(problem, output, row, e));
}

DensePlan plan_of(const Convolution& problem, std::vector<Stretch> walk, int64_t quads,
                  void (*tile)(const TileTask&)) {
  DensePlan plan{.walk = std::move(walk),
                 .lanes = HWY_DYNAMIC_DISPATCH(IntLanes)(),
                 .block = 2 * HWY_DYNAMIC_DISPATCH(IntLanes)(),
                 .step_elements = 4 * quads,
                 .step_bytes = 4 * quads,
                 .parts = quads,
                 .slot_bytes = 4,
                 .pack = {},
                 .tile = tile};
  plan.pack = [&problem](int64_t output, const TapRow& row, int64_t quad, std::byte* slot) {
    for (int64_t i = 0; i < 4; ++i)
      slot[i] =
          static_cast<std::byte>(output < 0 ? 0 : weight_at(problem, output, row, 4 * quad + i));
  };
  return plan;
}

std::string within(const char* what, int64_t most) {
  return text(what, " reach ", most, most <= kMost ? ", within 32767" : ", over 32767");
}

std::unique_ptr<ConvolutionKernel> make_quads(const Convolution& problem, std::string& reason) {
  if (!problem.has_byte_weights()) return reason = "weights of more than 8 bits", nullptr;
  const int64_t most = most_products(problem, 2);
  reason = within("pairs", most);
  if (most > kMost) return nullptr;
  return std::make_unique<DenseKernel>(problem,
                                       plan_of(problem, whole_rows(problem, 4), 1, quad_tiles));
}

std::unique_ptr<ConvolutionKernel> make_two_quads(const Convolution& problem, std::string& reason) {
  if (!problem.has_byte_weights()) return reason = "weights of more than 8 bits", nullptr;
  const int64_t most = most_products(problem, 4);
  reason = within("two pairs", most);
  if (most > kMost) return nullptr;
  return std::make_unique<DenseKernel>(problem,
                                       plan_of(problem, whole_rows(problem, 8), 2, two_quad_tiles));
}

std::unique_ptr<ConvolutionKernel> make_long_quads(const Convolution& problem,
                                                   std::string& reason) {
  if (!problem.has_byte_weights()) return reason = "weights of more than 8 bits", nullptr;
  std::vector<Stretch> walk = walk_within_16_bits(problem);
  int64_t steps = 0, flushes = 1;
  for (const Stretch& stretch : walk) {
    steps += stretch.steps;
    flushes += stretch.is_flushed;
  }
  reason = walk.empty() ? "a step leaves 16 bits"
                        : text("sums stay in 16 bits for ", steps / flushes, " steps");
  if (walk.empty() || (flushes > 1 && steps / flushes < kFewestSteps)) return nullptr;
  return std::make_unique<DenseKernel>(problem,
                                       plan_of(problem, std::move(walk), 1, long_quad_tiles));
}

// Whether blocks of half the size save a quarter of the work: the lanes that no channel fills. Less
// they lose again, as each reads the input anew.
bool is_narrow(const Convolution& problem, const DensePlan& plan) {
  const auto channels = [&](int64_t block) {
    return (problem.group_outputs() + block - 1) / block * block;
  };
  return plan.lanes >= 8 && 4 * channels(plan.block / 2) <= 3 * channels(plan.block);
}

std::unique_ptr<ConvolutionKernel> make_dot(const Convolution& problem, std::string& reason) {
  if (!problem.has_byte_weights()) return reason = "weights of more than 8 bits", nullptr;
  reason = "four products of any 8-bit weights go into 32 bits at once";
  const bool has_dot = has_dot_products();
  DensePlan plan =
      plan_of(problem, whole_rows(problem, 4), 1, has_dot ? dot_tiles : word_dot_tiles);
  if (has_dot && is_narrow(problem, plan)) {
    plan.block /= 2;
    plan.lanes /= 2;
    plan.tile = narrow_dot_tiles;
  }
  return std::make_unique<DenseKernel>(problem, plan);
}

HALFTONE_REGISTER(ConvolutionMethod, "quads", "8-bit products, pairs summed in 16 bits", 20,
                  make_quads);
HALFTONE_REGISTER(ConvolutionMethod, "quads-2", "8-bit products, four summed in 16 bits", 30,
                  make_two_quads);
HALFTONE_REGISTER(ConvolutionMethod, "quads-long", "8-bit products, long sums in 16 bits", 40,
                  make_long_quads);
HALFTONE_REGISTER(ConvolutionMethod, "dot", "8-bit products, four summed in 32 bits", 50, make_dot,
                  has_dot_products);

}  // namespace

bool has_dot_products() { return HWY_DYNAMIC_DISPATCH(HasDotInstruction)(); }

int64_t most_products(const Convolution& problem, int64_t count) {
  int64_t most = 0;
  for (const TapRow& row : tap_rows(problem))
    for (int64_t output = 0; output < problem.outputs; ++output)
      for (int64_t first = 0; first < row.elements; first += 2 * count)
        for (int64_t half = 0; half < 4; half += 2) {
          LaneBound lane;
          for (int64_t step = 0; step < count / 2; ++step)
            add_pair(problem, output, row, first + 4 * step + half, lane);
          most = std::max(most, lane.most());
        }
  return most;
}

std::vector<Stretch> walk_within_16_bits(const Convolution& problem) {
  std::vector<Stretch> walk;
  std::vector<LaneBound> lanes(static_cast<size_t>(2 * problem.outputs)), with_step = lanes,
                                                                          alone = lanes;
  for (const TapRow& row : tap_rows(problem)) {
    Stretch stretch{row, 0, 0};
    for (int64_t step = 0; 4 * step < row.elements; ++step) {
      with_step = lanes;
      std::ranges::fill(alone, LaneBound{});
      for (int64_t lane = 0; lane < 2 * problem.outputs; ++lane) {
        const auto i = static_cast<size_t>(lane);
        add_pair(problem, lane / 2, row, 4 * step + 2 * (lane % 2), with_step[i]);
        add_pair(problem, lane / 2, row, 4 * step + 2 * (lane % 2), alone[i]);
      }
      if (std::ranges::any_of(alone, [](const LaneBound& lane) { return lane.most() > kMost; }))
        return {};
      if (std::ranges::any_of(with_step,
                              [](const LaneBound& lane) { return lane.most() > kMost; })) {
        if (stretch.steps > 0) walk.push_back(stretch);
        walk.back().is_flushed = true;
        stretch = {row, step, 0};
        lanes = alone;
      } else {
        lanes = with_step;
      }
      ++stretch.steps;
    }
    walk.push_back(stretch);
  }
  return walk;
}

}  // namespace halftone::runtime
#endif

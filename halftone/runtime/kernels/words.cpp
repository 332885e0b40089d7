// "words": both sides as 16-bit numbers, pairs of products summed in 32 bits. Exact for any
// weights; half the products an instruction of "quads", and faster than it would be to promote
// bytes inside the loop: the input is widened once a layer.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/words.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

#include "halftone/runtime/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

struct WordStep {
  struct Weights {
    VShorts even, odd;
  };
  static constexpr int64_t kInputBytes = 4;
  using End = BlockEnd;
  BlockSums total;
  static HWY_INLINE size_t weight_bytes() { return 4 * hn::Lanes(Shorts()); }
  static HWY_INLINE Weights load(const std::byte* weights) {
    const auto* at = reinterpret_cast<const int16_t*>(weights);
    return {hn::Load(Shorts(), at), hn::Load(Shorts(), at + hn::Lanes(Shorts()))};
  }
  HWY_INLINE void start(const BlockSums& bias) { total = bias; }
  HWY_INLINE void add(const uint8_t* input, const Weights& w) {
    const VShorts x = hn::BitCast(Shorts(), broadcast4(input));
    total.even = hn::Add(total.even, pair_sums(x, w.even));
    total.odd = hn::Add(total.odd, pair_sums(x, w.odd));
  }
  HWY_INLINE void flush() {}
  HWY_INLINE BlockSums sums() const { return total; }
};

void WordTiles(const TileTask& task) { run_tiles<WordStep, 6>(task); }
int64_t WordLanes() { return static_cast<int64_t>(hn::Lanes(Ints())); }

// Reads up to a vector past `count`.
void Widen(const uint8_t* bytes, size_t count, int16_t* words) {
  const Shorts shorts;
  const hn::Rebind<uint8_t, Shorts> narrow;
  for (size_t i = 0; i < count; i += hn::Lanes(shorts))
    hn::Store(hn::PromoteTo(shorts, hn::LoadU(narrow, bytes + i)), shorts, words + i);
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "halftone/runtime/kernels/dense.h"

namespace halftone::runtime {
HWY_EXPORT(WordTiles);
HWY_EXPORT(WordLanes);
HWY_EXPORT(Widen);

namespace {

void word_tiles(const TileTask& task) { HWY_DYNAMIC_DISPATCH(WordTiles)(task); }

class WordKernel : public DenseKernel {
 public:
  using DenseKernel::DenseKernel;
  void prepare(const Layout& input, const Layout& output) override {
    DenseKernel::prepare(input, output);
    codes_ = static_cast<size_t>(input.batch * input.image_bytes());
  }
  size_t scratch_bytes() const override { return 2 * codes_ + 2 * kReadableTail; }

 protected:
  const uint8_t* prepared_input(const ConvolutionTask& task) const override {
    auto* words = reinterpret_cast<int16_t*>(task.scratch);
    each_piece(codes_, task.pool, [&](size_t first, size_t count) {
      HWY_DYNAMIC_DISPATCH(Widen)(task.input + first, count, words + first);
    });
    return reinterpret_cast<const uint8_t*>(task.scratch);
  }

 private:
  size_t codes_ = 0;
};

std::unique_ptr<ConvolutionKernel> make(const Convolution& problem, std::string& reason) {
  reason = "exact for any weights";
  DensePlan plan{.walk = whole_rows(problem, 2),
                 .lanes = HWY_DYNAMIC_DISPATCH(WordLanes)(),
                 .block = 2 * HWY_DYNAMIC_DISPATCH(WordLanes)(),
                 .step_elements = 2,
                 .step_bytes = 4,
                 .parts = 1,
                 .slot_bytes = 4,
                 .pack = {},
                 .tile = word_tiles};
  plan.pack = [&problem](int64_t output, const TapRow& row, int64_t pair, std::byte* slot) {
    for (int64_t i = 0; i < 2 && output >= 0; ++i) {
      const int16_t weight = weight_at(problem, output, row, 2 * pair + i);
      std::memcpy(slot + 2 * i, &weight, sizeof weight);
    }
  };
  return std::make_unique<WordKernel>(problem, plan);
}

HALFTONE_REGISTER(ConvolutionMethod, "words", "16-bit products, pairs summed in 32 bits", 10, make);

}  // namespace
}  // namespace halftone::runtime
#endif

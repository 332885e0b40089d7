#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/quant/fake_quantize.cpp"
#include "halftone/quant/fake_quantize.h"

#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace halftone::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Words = hn::ScalableTag<uint32_t>;
using V = hn::Vec<Floats>;
constexpr Floats kFloats;
constexpr Words kWords;

// The sums of the scale's gradient: so many partial sums whatever the vector's width, so that every
// instruction set adds in the same order up to the last few additions.
constexpr size_t kBlock = 1024;

// Which of the elements from `first` on are kept: a hash of position and seed (the finalizer of
// MurmurHash3) against a threshold.
struct Drawer {
  hn::Vec<Words> seed, threshold;

  explicit Drawer(const Keep& keep)
      : seed(hn::Set(kWords, keep.seed * 0x9E3779B9u)),
        // 24 bits: comparable as signed numbers on every instruction set
        threshold(hn::Set(kWords, static_cast<uint32_t>(keep.probability * 16777216.0f))) {}

  HWY_INLINE hn::Mask<Floats> operator()(size_t first) const {
    auto h = hn::Xor(hn::Iota(kWords, static_cast<uint32_t>(first)), seed);
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(kWords, 0x85EBCA6Bu));
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<13>(h)), hn::Set(kWords, 0xC2B2AE35u));
    h = hn::ShiftRight<8>(hn::Xor(h, hn::ShiftRight<16>(h)));
    const hn::RebindToSigned<Words> integers;
    return hn::RebindMask(kFloats,
                          hn::Lt(hn::BitCast(integers, h), hn::BitCast(integers, threshold)));
  }
};

struct Grid {
  V scale, low, high;  // bounds of the code without zero point

  explicit Grid(const FakeQuantizer& q)
      : scale(hn::Set(kFloats, q.scale)),
        low(hn::Set(kFloats, static_cast<float>(q.range.qmin - q.zero_point))),
        high(hn::Set(kFloats, static_cast<float>(q.range.qmax - q.zero_point))) {}

  // Clamping to whole numbers and rounding commute.
  HWY_INLINE V code(V steps) const { return hn::Round(hn::Min(hn::Max(steps, low), high)); }
  HWY_INLINE V fake_quantized(V x) const {
    const V y = hn::Mul(code(hn::Div(x, scale)), scale);
    return hn::IfThenElse(hn::Eq(x, x), y, x);  // clamping would hide NaN
  }
};

// Calls body(position, loaded count) over [0, count) in whole vectors and a last partial one.
template <typename Body>
HWY_INLINE void each_vector(size_t count, const Body& body) {
  const size_t lanes = hn::Lanes(kFloats);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(i, lanes);
  if (i < count) body(i, count - i);
}

HWY_INLINE V load(const float* p, size_t count) {
  const size_t lanes = hn::Lanes(kFloats);
  if (count == lanes) return hn::LoadU(kFloats, p);
  HWY_ALIGN float padded[HWY_MAX_BYTES / sizeof(float)] = {};
  for (size_t i = 0; i < count; ++i) padded[i] = p[i];
  return hn::Load(kFloats, padded);
}

HWY_INLINE void store(V v, float* p, size_t count) {
  const size_t lanes = hn::Lanes(kFloats);
  if (count == lanes) return hn::StoreU(v, kFloats, p);
  HWY_ALIGN float padded[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(v, kFloats, padded);
  for (size_t i = 0; i < count; ++i) p[i] = padded[i];
}

void Forward(std::span<const float> x, const FakeQuantizer& quantizer, float* y, const Keep& keep) {
  const Grid grid(quantizer);
  if (keep.probability >= 1.0f)
    return each_vector(x.size(), [&](size_t i, size_t count) {
      store(grid.fake_quantized(load(x.data() + i, count)), y + i, count);
    });
  const Drawer kept(keep);
  each_vector(x.size(), [&](size_t i, size_t count) {
    const V v = load(x.data() + i, count);
    store(hn::IfThenElse(kept(i), grid.fake_quantized(v), v), y + i, count);
  });
}

// One vector of the backward pass.
struct Gradients {
  V x, scale, low, high;  // grad_x, and the elements of the sums
};

HWY_INLINE Gradients BackwardStep(V x, V grad_y, const Grid& grid) {
  const V steps = hn::Div(x, grid.scale);
  const auto below = hn::Lt(steps, grid.low);
  const auto above = hn::Gt(steps, grid.high);
  const auto inside = hn::And(hn::Ge(steps, grid.low), hn::Le(steps, grid.high));
  const V code = grid.code(steps);
  const V slope = hn::IfThenElse(inside, hn::Sub(code, steps), code);
  return {hn::IfThenElseZero(inside, grad_y), hn::Mul(grad_y, slope),
          hn::IfThenElseZero(below, grad_y), hn::IfThenElseZero(above, grad_y)};
}

HWY_INLINE double Total(V v) {
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(kFloats, v)));
}

// Of at most kBlock elements from `first` on.
FakeQuantizeSums BackwardBlock(std::span<const float> x, const float* grad_y, const Grid& grid,
                               float* grad_x, const Drawer* kept, size_t first) {
  V scale = hn::Zero(kFloats), low = scale, high = scale;
  each_vector(std::min(kBlock, x.size() - first), [&](size_t offset, size_t count) {
    const size_t i = first + offset;
    const V g = load(grad_y + i, count);
    Gradients part = BackwardStep(load(x.data() + i, count), g, grid);
    if (kept) {
      const auto is_kept = (*kept)(i);
      part.x = hn::IfThenElse(is_kept, part.x, g);
      part.scale = hn::IfThenElseZero(is_kept, part.scale);
      part.low = hn::IfThenElseZero(is_kept, part.low);
      part.high = hn::IfThenElseZero(is_kept, part.high);
    }
    scale = hn::Add(scale, part.scale);
    low = hn::Add(low, part.low);
    high = hn::Add(high, part.high);
    store(part.x, grad_x + i, count);
  });
  return {Total(scale), Total(low), Total(high)};
}

FakeQuantizeSums Backward(std::span<const float> x, std::span<const float> grad_y,
                          const FakeQuantizer& quantizer, float* grad_x, const Keep& keep) {
  const Grid grid(quantizer);
  const Drawer drawer(keep);
  const Drawer* kept = keep.probability >= 1.0f ? nullptr : &drawer;
  FakeQuantizeSums total;
  for (size_t first = 0; first < x.size(); first += kBlock)
    total += BackwardBlock(x, grad_y.data(), grid, grad_x, kept, first);
  return total;
}

void Choose(std::span<const float> a, std::span<const float> b, float* y, const Keep& keep) {
  const Drawer kept(keep);
  each_vector(a.size(), [&](size_t i, size_t count) {
    store(hn::IfThenElse(kept(i), load(a.data() + i, count), load(b.data() + i, count)), y + i,
          count);
  });
}

}  // namespace halftone::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

namespace halftone {
HWY_EXPORT(Forward);
HWY_EXPORT(Backward);
HWY_EXPORT(Choose);

void fake_quantize(std::span<const float> x, const FakeQuantizer& quantizer, float* y,
                   const Keep& keep) {
  HWY_DYNAMIC_DISPATCH(Forward)(x, quantizer, y, keep);
}

FakeQuantizeSums fake_quantize_backward(std::span<const float> x, std::span<const float> grad_y,
                                        const FakeQuantizer& quantizer, float* grad_x,
                                        const Keep& keep) {
  return HWY_DYNAMIC_DISPATCH(Backward)(x, grad_y, quantizer, grad_x, keep);
}

void choose_kept(std::span<const float> a, std::span<const float> b, float* y, const Keep& keep) {
  if (keep.probability >= 1.0f) {
    std::ranges::copy(a, y);
    return;
  }
  HWY_DYNAMIC_DISPATCH(Choose)(a, b, y, keep);
}

}  // namespace halftone
#endif

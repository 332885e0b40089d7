// The end of every kernel: a block of exact sums becomes codes while it is in registers.
//
// A block is two vectors of 32-bit sums: its channels c stand in vector (c / 4) % 2 at lane c / 8 *
// 4 + c % 4, so that packing within 128-bit lanes, which is what x86 has, brings them in order.
// channel_slot() in tile.h is the packers' side of it.
#if defined(HALFTONE_RUNTIME_REQUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFTONE_RUNTIME_REQUANTIZE_INL_H_
#undef HALFTONE_RUNTIME_REQUANTIZE_INL_H_
#else
#define HALFTONE_RUNTIME_REQUANTIZE_INL_H_
#endif

#include <cstring>

#include "halftone/runtime/kernels/integer_products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {

HWY_INLINE VInts rounded_steps(VInts sums, VFloats multiplier, VFloats low, VFloats high) {
  const VFloats steps = hn::Mul(hn::ConvertTo(Floats(), sums), multiplier);
  return hn::NearestInt(hn::Min(hn::Max(steps, low), high));
}

// Codes of one pixel's block, from the first channel on, in order; as many bytes as a block has
// channels.
HWY_INLINE auto block_codes(VInts even, VInts odd, VInts zero_point) {
  const Shorts shorts;
  const hn::Half<Bytes> half;
  const VShorts words =
      hn::ReorderDemote2To(shorts, hn::Add(even, zero_point), hn::Add(odd, zero_point));
  return hn::DemoteTo(half, words);
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

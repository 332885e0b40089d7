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

// hn::NearestInt (ties to even) of numbers that 32 bits hold, without its five instructions for
// others.
HWY_INLINE VInts nearest_int(VFloats v) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  return VInts{_mm512_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VInts{_mm256_cvtps_epi32(v.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return VInts{_mm_cvtps_epi32(v.raw)};
#else
  return hn::NearestInt(v);
#endif
}

HWY_INLINE VInts rounded_steps(VInts sums, VFloats multiplier, VFloats low, VFloats high) {
  const VFloats steps = hn::Mul(hn::ConvertTo(Floats(), sums), multiplier);
  return nearest_int(hn::Min(hn::Max(steps, low), high));
}

// Codes of one pixel's block, from the first channel on, in order; as many bytes as a block has
// channels.
HWY_INLINE auto block_codes(VInts even, VInts odd) {
  return hn::DemoteTo(hn::Half<Bytes>(), hn::ReorderDemote2To(Shorts(), even, odd));
}

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
// Bytes of words that are within 0 .. 255: in every 128 bits those of a, then those of b.
HWY_INLINE VBytes packed_words(VShorts a, VShorts b) {
#if HWY_TARGET == HWY_AVX2
  return VBytes{_mm256_packus_epi16(a.raw, b.raw)};
#else
  return VBytes{_mm512_packus_epi16(a.raw, b.raw)};
#endif
}
#endif

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

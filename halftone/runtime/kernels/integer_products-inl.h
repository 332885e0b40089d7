// Sums of products of bytes and words that Highway 1.0.3 lacks, for the instruction set that
// includes this file: the instruction where there is one, else the same numbers by shifts and
// multiplications.
#if defined(HALFTONE_RUNTIME_INTEGER_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HALFTONE_RUNTIME_INTEGER_PRODUCTS_INL_H_
#undef HALFTONE_RUNTIME_INTEGER_PRODUCTS_INL_H_
#else
#define HALFTONE_RUNTIME_INTEGER_PRODUCTS_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::ScalableTag<uint8_t>;
using SignedBytes = hn::ScalableTag<int8_t>;
using Shorts = hn::ScalableTag<int16_t>;
using Ints = hn::ScalableTag<int32_t>;
using Floats = hn::ScalableTag<float>;
using VBytes = hn::Vec<Bytes>;
using VSignedBytes = hn::Vec<SignedBytes>;
using VShorts = hn::Vec<Shorts>;
using VInts = hn::Vec<Ints>;
using VFloats = hn::Vec<Floats>;

// a[2i] * b[2i] + a[2i+1] * b[2i+1] in 16 bits, SATURATING: exact only within the pair bound
// (kernels/quad_packing.h).
HWY_INLINE VShorts pair_sums(VBytes a, VSignedBytes b) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  return VShorts{_mm512_maddubs_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VShorts{_mm256_maddubs_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return VShorts{_mm_maddubs_epi16(a.raw, b.raw)};
#else
  const Shorts shorts;
  const hn::RebindToUnsigned<Shorts> words;
  const auto a_even = hn::BitCast(shorts, hn::And(hn::BitCast(words, a), hn::Set(words, 0xFF)));
  const auto a_odd = hn::BitCast(shorts, hn::ShiftRight<8>(hn::BitCast(words, a)));
  const auto b_even = hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(shorts, b)));
  const auto b_odd = hn::ShiftRight<8>(hn::BitCast(shorts, b));
  return hn::SaturatedAdd(hn::Mul(a_even, b_even), hn::Mul(a_odd, b_odd));
#endif
}

// a[2i] * b[2i] + a[2i+1] * b[2i+1] in 32 bits: exact.
HWY_INLINE VInts pair_sums(VShorts a, VShorts b) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  return VInts{_mm512_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VInts{_mm256_madd_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return VInts{_mm_madd_epi16(a.raw, b.raw)};
#else
  const Ints ints;
  const auto even = [&](VShorts v) {
    return hn::ShiftRight<16>(hn::ShiftLeft<16>(hn::BitCast(ints, v)));
  };
  const auto odd = [&](VShorts v) { return hn::ShiftRight<16>(hn::BitCast(ints, v)); };
  return hn::Add(hn::Mul(even(a), even(b)), hn::Mul(odd(a), odd(b)));
#endif
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

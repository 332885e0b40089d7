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
#if HWY_ARCH_X86
#include <cpuid.h>
#endif

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

// Bytes 2i and 2i+1 of every pair, in 16 bits.
HWY_INLINE VShorts even_bytes(VBytes v) {
  const hn::RebindToUnsigned<Shorts> words;
  return hn::BitCast(Shorts(), hn::And(hn::BitCast(words, v), hn::Set(words, 0xFF)));
}
HWY_INLINE VShorts odd_bytes(VBytes v) {
  return hn::BitCast(Shorts(), hn::ShiftRight<8>(hn::BitCast(hn::RebindToUnsigned<Shorts>(), v)));
}
HWY_INLINE VShorts even_bytes(VSignedBytes v) {
  return hn::ShiftRight<8>(hn::ShiftLeft<8>(hn::BitCast(Shorts(), v)));
}
HWY_INLINE VShorts odd_bytes(VSignedBytes v) { return hn::ShiftRight<8>(hn::BitCast(Shorts(), v)); }

// a[2i] * b[2i] + a[2i+1] * b[2i+1] in 16 bits, SATURATING: exact only within the pair bound
// (kernels/quads.h).
HWY_INLINE VShorts pair_sums(VBytes a, VSignedBytes b) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  return VShorts{_mm512_maddubs_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_AVX2
  return VShorts{_mm256_maddubs_epi16(a.raw, b.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return VShorts{_mm_maddubs_epi16(a.raw, b.raw)};
#else
  return hn::SaturatedAdd(hn::Mul(even_bytes(a), even_bytes(b)),
                          hn::Mul(odd_bytes(a), odd_bytes(b)));
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

// sum + a[4i] * b[4i] + ... + a[4i+3] * b[4i+3] in 32 bits: exact for all bytes.
HWY_INLINE VInts add_quad_sums(VInts sum, VBytes a, VSignedBytes b) {
  return hn::Add(
      sum, hn::Add(pair_sums(even_bytes(a), even_bytes(b)), pair_sums(odd_bytes(a), odd_bytes(b))));
}

// Whether this CPU has vpdpbusd at the width of the instruction set's vectors. Highway 1.0.3 does
// not tell: its AVX3_DL wants more than AVX-512 VNNI, and lets the compiler use AVX-VNNI besides.
HWY_INLINE bool has_dot_instruction() {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool is_wide = HWY_TARGET != HWY_AVX2;
  if (!__get_cpuid_count(7, is_wide ? 0 : 1, &a, &b, &c, &d)) return false;
  return ((is_wide ? c >> 11 : a >> 4) & 1) != 0;  // AVX512_VNNI, AVX-VNNI
#else
  return false;
#endif
}

// add_quad_sums() by that instruction, where has_dot_instruction(). As assembly, so that nothing
// else of the instruction set's code may use what its other CPUs lack.
HWY_INLINE VInts add_quad_sums_at_once(VInts sum, VBytes a, VSignedBytes b) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
#elif HWY_TARGET == HWY_AVX2
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(a.raw), "x"(b.raw));
  return sum;
#else
  return add_quad_sums(sum, a, b);
#endif
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

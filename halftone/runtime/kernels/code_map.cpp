#include "halftone/runtime/code_map.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "halftone/runtime/kernels/code_map.cpp"
#include <hwy/foreach_target.h>  // includes this file once for every instruction set
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace halftone::runtime::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The table in 16 parts of 16 bytes. Less the part's first code, the part's own codes are 0 to 15
// and others wrap to 16 or more, which the saturating sum lifts above 127: those look up 0.
void MapCodes(const uint8_t* table, const uint8_t* from, uint8_t* to, int64_t count) {
  const hn::ScalableTag<uint8_t> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(bytes));
  const auto lift = hn::Set(bytes, 0x70), index_bits = hn::Set(bytes, 0x8F);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto codes = hn::LoadU(bytes, from + i);
    auto mapped = hn::Zero(bytes);
    for (int part = 0; part < 256; part += 16) {
      const auto within = hn::Sub(codes, hn::Set(bytes, static_cast<uint8_t>(part)));
      const auto index = hn::And(hn::SaturatedAdd(within, lift), index_bits);
      mapped = hn::Or(mapped, hn::TableLookupBytesOr0(hn::LoadDup128(bytes, table + part), index));
    }
    hn::StoreU(mapped, bytes, to + i);
  }
  for (; i < count; ++i) to[i] = table[from[i]];
}

}  // namespace halftone::runtime::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace halftone::runtime {
HWY_EXPORT(MapCodes);

void CodeMap::apply(const uint8_t* from, uint8_t* to, int64_t count) const {
  HWY_DYNAMIC_DISPATCH(MapCodes)(table_.data(), from, to, count);
}

}  // namespace halftone::runtime
#endif

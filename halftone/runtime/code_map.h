// A byte for every byte: what becomes of a code on its way from one type to another, or through a
// function of one value.
#pragma once

#include <array>
#include <cstdint>

#include "halftone/runtime/codes.h"

namespace halftone::runtime {

class CodeMap {
 public:
  // The code of `to` nearest to the value that `from` gives each code.
  static CodeMap rescale(const CodeType& from, const CodeType& to) {
    CodeMap map;
    for (int32_t q = 0; q < 256; ++q) map.table_[static_cast<size_t>(q)] = to.code(from.value(q));
    return map;
  }
  static CodeMap of(const std::array<uint8_t, 256>& table) {
    CodeMap map;
    map.table_ = table;
    return map;
  }

  // to[i] of from[i]; `to` may be `from`.
  void apply(const uint8_t* from, uint8_t* to, int64_t count) const;
  // Whether codes 0..qmax stay as they are.
  bool is_identity(int32_t qmax) const {
    for (int32_t q = 0; q <= qmax; ++q)
      if (table_[static_cast<size_t>(q)] != q) return false;
    return true;
  }

 private:
  alignas(16) std::array<uint8_t, 256> table_{};
};

}  // namespace halftone::runtime

#include "halftone/graph/dtype.h"

#include <array>

#include "halftone/base/error.h"

namespace halftone {
namespace {

enum class Family { kOther, kSigned, kUnsigned, kFloating };
struct Facts {
  const char* name;
  int bits;
  Family family;
};

using enum Family;
constexpr std::array<Facts, 27> kFacts{{
    {"undefined", 0, kOther},
    {"float32", 32, kFloating},
    {"uint8", 8, kUnsigned},
    {"int8", 8, kSigned},
    {"uint16", 16, kUnsigned},
    {"int16", 16, kSigned},
    {"int32", 32, kSigned},
    {"int64", 64, kSigned},
    {"string", 0, kOther},
    {"bool", 8, kOther},
    {"float16", 16, kFloating},
    {"float64", 64, kFloating},
    {"uint32", 32, kUnsigned},
    {"uint64", 64, kUnsigned},
    {"complex64", 64, kOther},
    {"complex128", 128, kOther},
    {"bfloat16", 16, kFloating},
    {"float8e4m3fn", 8, kFloating},
    {"float8e4m3fnuz", 8, kFloating},
    {"float8e5m2", 8, kFloating},
    {"float8e5m2fnuz", 8, kFloating},
    {"uint4", 4, kUnsigned},
    {"int4", 4, kSigned},
    {"float4e2m1", 4, kFloating},
    {"float8e8m0", 8, kFloating},
    {"uint2", 2, kUnsigned},
    {"int2", 2, kSigned},
}};

const Facts& facts(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  return index < kFacts.size() ? kFacts[index] : kFacts[0];
}

}  // namespace

int bits_of(DType dtype) { return facts(dtype).bits; }

uint64_t bytes_of(DType dtype, uint64_t count) {
  const auto bits = static_cast<uint64_t>(bits_of(dtype));
  return bits >= 8 ? count * (bits / 8) : (count * bits + 7) / 8;
}

std::string name_of(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  return index < kFacts.size() ? kFacts[index].name : text("dtype ", index);
}

bool is_integer(DType dtype) {
  return facts(dtype).family == kSigned || facts(dtype).family == kUnsigned;
}
bool is_signed_integer(DType dtype) { return facts(dtype).family == kSigned; }
bool is_floating(DType dtype) { return facts(dtype).family == kFloating; }

}  // namespace halftone

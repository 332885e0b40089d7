#include "halftone/quant/bit_packing.h"

#include "halftone/base/error.h"

namespace halftone {
namespace {

void require_width(int bits) {
  if (bits < 1 || bits > 16) throw Error("codes of ", bits, " bits cannot be packed; 1 to 16 can");
}

}  // namespace

std::vector<std::byte> pack_bits(std::span<const int32_t> codes, int bits) {
  require_width(bits);
  std::vector<std::byte> bytes;
  bytes.reserve((codes.size() * static_cast<size_t>(bits) + 7) / 8);
  uint32_t pending = 0;
  int pending_bits = 0;
  for (int32_t code : codes) {
    pending |= (static_cast<uint32_t>(code) & ((1u << bits) - 1)) << pending_bits;
    pending_bits += bits;
    for (; pending_bits >= 8; pending_bits -= 8, pending >>= 8)
      bytes.push_back(static_cast<std::byte>(pending & 255));
  }
  if (pending_bits > 0) bytes.push_back(static_cast<std::byte>(pending & 255));
  return bytes;
}

std::vector<int32_t> unpack_bits(std::span<const std::byte> bytes, size_t count, int bits,
                                 bool is_signed) {
  require_width(bits);
  if (bytes.size() < (count * static_cast<size_t>(bits) + 7) / 8)
    throw Error(count, " codes of ", bits, " bits do not fit in ", bytes.size(), " bytes");
  std::vector<int32_t> codes(count);
  uint32_t pending = 0;
  int pending_bits = 0;
  size_t next = 0;
  for (int32_t& code : codes) {
    for (; pending_bits < bits; pending_bits += 8)
      pending |= std::to_integer<uint32_t>(bytes[next++]) << pending_bits;
    const uint32_t value = pending & ((1u << bits) - 1);
    code = is_signed && value >> (bits - 1) ? static_cast<int32_t>(value) - (1 << bits)
                                            : static_cast<int32_t>(value);
    pending >>= bits;
    pending_bits -= bits;
  }
  return codes;
}

}  // namespace halftone

// Codes of 1..16 bits, packed without gaps: element i takes bits [i*b, (i+1)*b) of a little-endian
// bit stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace halftone {

// codes: each within [-2^(bits-1), 2^bits - 1]; the low `bits` bits are kept. The last byte is
// filled with zeros.
std::vector<std::byte> pack_bits(std::span<const int32_t> codes, int bits);

// The first `count` codes; sign-extended where is_signed. Throws Error where there are too few
// bytes or bits is not 1..16.
std::vector<int32_t> unpack_bits(std::span<const std::byte> bytes, size_t count, int bits,
                                 bool is_signed);

}  // namespace halftone

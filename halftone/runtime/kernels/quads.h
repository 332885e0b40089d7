// Bytes times bytes, four channels at a time. "dot" adds four products to a 32-bit sum in the one
// instruction that newer CPUs have for it (vpdpbusd), and is exact for all bytes. The others go
// through the 16-bit pair sums that every x86 has (vpmaddubsw) and that saturate: they are exact
// only where the weights at hand keep the intermediates in range, which is decided at load.
//
//   "quads"       sums of two products in 16 bits           |w| <= 64 at 8-bit codes, and what fits
//   "quads-2"     sums of four products in 16 bits          |w| <= 32
//   "quads-long"  sums in 16 bits, flushed in time          4-bit codes
//
// Codes are unsigned and raw, so the bounds hold at every zero point.
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/runtime/convolution.h"
#include "halftone/runtime/kernels/tap_runs.h"

namespace halftone::runtime {

// Whether this CPU adds four products of bytes to a 32-bit sum in one instruction.
bool has_dot_products();

// Largest |sum| over all outputs that `count` products can reach whose weights stand together: at
// elements e, e+1 and, for more than two, at e+4, e+5, ... of a row, as the lanes of `count` / 2
// steps add them.
int64_t most_products(const Convolution& problem, int64_t count);

// The walk in steps of four, cut so that no 16-bit sum leaves its range between flushes; empty
// where even one step could.
std::vector<Stretch> walk_within_16_bits(const Convolution& problem);

}  // namespace halftone::runtime

// Weights of k bits in an int8 container, stored in k bits and unpacked by standard operators when
// a runtime loads the file.
#pragma once

#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// Adds to `graph` what stores `codes` (int8) in few bits and nodes that compute it back, bit for
// bit; returns the value's name. The nodes read constants alone, so that constant folding leaves
// the int8 tensor. widths: bits 1..8 of each index of `axis` (one width: of all). A channel of 1
// bit holds -1 and 1. Throws Error naming `name` where a code does not fit its width. Sets `opset`
// to what the nodes need, at least.
std::string add_packed_weight(Graph& graph, const std::string& name, const Tensor& codes,
                              const std::vector<int>& widths, int axis, int64_t& opset);

// The widths that take the fewest bytes: each channel in its own or a wider one, since every group
// of one width costs nodes in the file. widths: as above. elements: of a channel, or of the whole
// tensor where there is one width. All 8: packing does not pay.
std::vector<int> storage_widths(const std::vector<int>& widths, int64_t elements);

}  // namespace halftone

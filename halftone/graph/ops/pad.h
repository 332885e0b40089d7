// What Pad adds to every axis, and where the elements it adds come from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "halftone/graph/ops/arguments.h"

namespace halftone {

// Begins for every axis, then ends; nullopt where they are not known. Throws Error where pads and
// axes do not fit each other or `rank`.
std::optional<std::vector<int64_t>> all_pads(const IntsArgument& pads, const IntsArgument& axes,
                                             size_t rank);

// The position along an axis of `size` that stands at `at`, which may be outside; -1 for the
// constant. Throws Error where `mode` is not known.
int64_t source_position(int64_t at, int64_t size, const std::string& mode);

}  // namespace halftone

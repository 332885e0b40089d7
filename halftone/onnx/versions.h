// Which IR version belongs to which opset.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "halftone/graph/graph.h"

namespace halftone {

// The lowest IR version of a release that has the opset.
inline int64_t ir_version_of(int64_t opset) {
  // {first opset of a release, its IR version}
  constexpr std::array<std::pair<int64_t, int64_t>, 10> kReleases{{{7, 3},
                                                                   {10, 5},
                                                                   {11, 6},
                                                                   {12, 7},
                                                                   {15, 8},
                                                                   {19, 9},
                                                                   {21, 10},
                                                                   {23, 11},
                                                                   {24, 12},
                                                                   {25, 13}}};
  int64_t ir = 3;
  for (const auto& [first, version] : kReleases)
    if (opset >= first) ir = version;
  return ir;
}

// Raises opset and IR version to what `opset` needs; never lowers them.
inline void require_versions(Model& model, int64_t opset) {
  int64_t& present = model.opsets[""];
  present = std::max(present, opset);
  model.ir_version = std::max(model.ir_version, ir_version_of(present));
}

}  // namespace halftone

#include "halftone/graph/moving.h"

#include <set>
#include <string>

namespace halftone {

bool moves_elements(const Node& node) {
  static const std::set<std::string> kMoving = {"MaxPool",      "Reshape",   "Flatten", "Transpose",
                                                "Squeeze",      "Unsqueeze", "Slice",   "Gather",
                                                "DepthToSpace", "Expand",    "Tile",    "Split"};
  const bool is_nearest =
      node.op_type == "Resize" && node.string_or("mode", "nearest") == "nearest";
  return node.domain.empty() && (kMoving.contains(node.op_type) || is_nearest) &&
         (node.op_type != "MaxPool" || node.outputs.size() == 1);
}

bool moves_or_pads(const Node& node) {
  return moves_elements(node) || (node.op_type == "Pad" && node.domain.empty());
}

}  // namespace halftone

// Geometry of sliding windows: what Conv, ConvTranspose and the poolings share.
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// Attributes of a window over `rank` spatial axes, with ONNX's defaults filled in and auto_pad resolved.
struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<int64_t> begin, end;  // padding before and after, each axis

  bool is_symmetric() const { return begin == end; }
  // Padding as at::constant_pad_nd takes it: last axis first, begin and end.
  std::vector<int64_t> reversed_pads() const;
};

// `spatial`: sizes of the input's spatial axes (for auto_pad). `kernel`: its size, where the node has no kernel_shape.
// Throws Error where an attribute has the wrong length or a value that cannot be.
Window read_window(const Node& node, const std::vector<int64_t>& spatial, std::vector<int64_t> kernel);

}  // namespace halftone

// The windows of ConvTranspose: those of the convolution that it transposes, which reads our output
// and writes our input.
//
//   const TransposedWindow window(node, kernel);
//   const WindowAxis axis = window.resolved(0, 7);  // axis.output is 7, axis.input what comes out
#pragma once

#include <vector>

#include "halftone/graph/ops/window.h"

namespace halftone {

class TransposedWindow {
 public:
  // Reads strides, dilations, pads, auto_pad, output_padding and output_shape. Throws Error where a
  // list has another length than `kernel`, or a number makes no sense.
  TransposedWindow(const Node& node, std::vector<int64_t> kernel);

  // Size that spatial axis `axis` has in the output.
  Dim output(size_t axis, const Dim& input) const;
  // Throws Error where padding leaves nothing.
  WindowAxis resolved(size_t axis, int64_t input) const;

 private:
  WindowAttributes window_;
  std::vector<int64_t> output_padding_, output_shape_;
};

}  // namespace halftone

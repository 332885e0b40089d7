// Windows that slide over the spatial axes of [N, C, spatial...]: convolution and pooling share
// their geometry.
//
//   const WindowAttributes attributes = window_attributes(node, kernel);
//   Dim out = attributes.output(axis, in_dim);                           // inference
//   const WindowAxis geometry = attributes.resolved(axis, 56);           // a kernel's loop bounds
#pragma once

#include <optional>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// One axis, all sizes known. Tap k of output o reads input o * stride - pad_begin + k * dilation,
// padding outside [0, input).
struct WindowAxis {
  int64_t input = 0, output = 0, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }
  int64_t position(int64_t out, int64_t tap) const {
    return out * stride - pad_begin + tap * dilation;
  }
};

// Half open.
struct Span {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end > begin ? end - begin : 0; }
};
// Taps of output `out` that read input rather than padding.
Span taps_inside(const WindowAxis& axis, int64_t out);
// Taps of output `out` that read input or padding, but nothing beyond it (ceil_mode lets the last
// window hang over).
Span taps_padded(const WindowAxis& axis, int64_t out);
// Outputs whose tap `tap` reads input rather than padding.
Span outputs_inside(const WindowAxis& axis, int64_t tap);

struct WindowAttributes {
  std::vector<int64_t>
      kernel;  // -1 where it is not known (inference of a Conv with an unknown weight)
  std::vector<int64_t> strides, dilations, pads;  // pads: begins, then ends
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;

  // Output size of spatial axis `axis`. Throws Error where the window is larger than the padded
  // input.
  Dim output(size_t axis, const Dim& input) const;
  WindowAxis resolved(size_t axis, int64_t input) const;
};

// Reads strides, dilations, pads, auto_pad and ceil_mode of a node whose windows have size
// `kernel`, with ONNX's defaults. Throws Error where a list has another length than `kernel`, or a
// number makes no sense.
WindowAttributes window_attributes(const Node& node, std::vector<int64_t> kernel);

// [batch, channels, spatial...] of a windowed operator.
SymbolicShape window_output(const WindowAttributes& attributes, const SymbolicShape& input,
                            const Dim& channels);
// The spatial axes of an input of known shape.
std::vector<WindowAxis> resolved_axes(const WindowAttributes& attributes, const Shape& input);

}  // namespace halftone

// The loops of convolution, for any number of spatial axes and any type of numbers. Used by Conv,
// ConvTranspose, ConvInteger and QLinearConv.
#pragma once

#include <optional>
#include <vector>

#include "halftone/graph/op.h"
#include "halftone/graph/ops/window.h"

namespace halftone {

struct ConvGeometry {
  int64_t batch = 0, groups = 1;
  int64_t in_channels = 0, out_channels = 0;  // of one group
  std::vector<WindowAxis> axes;               // their strides in memory follow from their sizes

  int64_t input_plane() const;  // spatial elements of one channel
  int64_t output_plane() const;
  int64_t taps() const;  // elements of one kernel plane
};

// The window of a Conv or ConvTranspose along the spatial axes: the weight's, or what kernel_shape
// says where the weight is not known; -1 where neither tells. Throws Error where they differ.
std::vector<int64_t> kernel_sizes(const Node& node, const SymbolicShape& x,
                                  const std::optional<SymbolicShape>& weight);

// Shape inference and geometry of Conv, with the inputs' positions given: QLinearConv has its
// weight at 3.
void infer_conv(InferenceContext& context, size_t weight, DType output);
ConvGeometry conv_geometry(const Node& node, const Shape& x, const Shape& weight);

// x [batch, groups * in_channels, spatial], weight [groups * out_channels, in_channels, kernel]
// -> [batch, groups * out_channels, spatial]. Instances for double and int64_t.
template <typename T>
std::vector<T> convolved(const std::vector<T>& x, const std::vector<T>& weight,
                         const ConvGeometry& geometry);

// The transpose of the above as a linear map of x: x [batch, groups * out_channels, outputs],
// weight as above
// -> [batch, groups * in_channels, inputs].
std::vector<double> convolved_transposed(const std::vector<double>& x,
                                         const std::vector<double>& weight,
                                         const ConvGeometry& geometry);

// Adds bias [channels] to y of shape [batch, channels, spatial...]. Throws Error where their
// channels differ.
void add_channel_bias(std::vector<double>& y, const Tensor& bias, const Shape& shape);

}  // namespace halftone

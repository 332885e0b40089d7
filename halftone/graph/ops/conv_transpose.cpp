// ConvTranspose: the transpose of a convolution from the output back to the input, computed in
// double.
#include <algorithm>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/convolution.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

// The convolution that this one transposes, along one axis: it reads our output and writes our
// input.
class TransposedAttributes {
 public:
  TransposedAttributes(const Node& node, std::vector<int64_t> kernel)
      : window_(window_attributes(node, std::move(kernel))),
        output_padding_(
            node.ints_or("output_padding", std::vector<int64_t>(window_.kernel.size(), 0))),
        output_shape_(node.ints_or("output_shape", {})) {
    const size_t rank = window_.kernel.size();
    if (output_shape_.size() == rank + 2)
      output_shape_.erase(output_shape_.begin(), output_shape_.begin() + 2);
    if (output_padding_.size() != rank || (!output_shape_.empty() && output_shape_.size() != rank))
      throw Error("output_padding ", to_string(output_padding_), " and output_shape ",
                  to_string(output_shape_), " must have ", rank, " values");
    for (const auto* values : {&output_padding_, &output_shape_})
      for (int64_t value : *values)
        if (value < 0 || value > kMostElements)
          throw Error("output_padding or output_shape has the value ", value);
  }

  Dim output(size_t axis, const Dim& input) const {
    if (input.known() && window_.kernel[axis] >= 0)
      return Dim::of(resolved(axis, input.value).input);
    return output_shape_.empty() ? Dim{} : Dim::of(output_shape_[axis]);
  }

  WindowAxis resolved(size_t axis, int64_t input) const {
    if (window_.kernel[axis] < 1)
      throw Error("the kernel has size ", window_.kernel[axis], " along axis ", axis);
    WindowAxis result{.output = input,
                      .kernel = window_.kernel[axis],
                      .stride = window_.strides[axis],
                      .dilation = window_.dilations[axis],
                      .pad_begin = window_.pads[axis],
                      .pad_end = window_.pads[axis + window_.kernel.size()]};
    int64_t reach = 0;  // of all windows, before padding is cut off
    if (input < 1 || __builtin_mul_overflow(input - 1, result.stride, &reach) ||
        __builtin_add_overflow(reach, result.extent() + output_padding_[axis], &reach))
      throw Error("an input of ", input, " cannot be transposed along spatial axis ", axis);
    const bool is_same = window_.auto_pad.starts_with("SAME");
    if (!output_shape_.empty() || is_same) {
      result.input = output_shape_.empty() ? input * result.stride : output_shape_[axis];
      const int64_t total = std::max<int64_t>(0, reach - result.input);
      result.pad_begin = window_.auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      result.pad_end = total - result.pad_begin;
    } else {
      result.input = reach - result.pad_begin - result.pad_end;
    }
    if (result.input < 1)
      throw Error("padding leaves ", result.input, " elements along spatial axis ", axis);
    return result;
  }

 private:
  WindowAttributes window_;
  std::vector<int64_t> output_padding_, output_shape_;
};

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  const MaybeShape& w = context.input(1).shape;
  require_rank(x.shape, 3, "the input");
  if (!x.shape) return context.set_output(0, x.dtype, std::nullopt);
  const size_t rank = x.shape->size();
  const Dim& channels = (*x.shape)[1];
  if (w && w->size() != rank)
    throw Error("the input has shape ", to_string(*x.shape), " and the weight ", to_string(*w));
  const int64_t groups = context.node().int_or("group", 1);
  if (groups < 1 || (channels.known() && channels.value % groups != 0))
    throw Error("group is ", groups, " for an input of shape ", to_string(*x.shape));
  SymbolicShape shape{(*x.shape)[0], Dim{}};
  if (w) unified(channels, (*w)[0], "the number of input channels");
  if (w && (*w)[1].known()) shape[1] = product({(*w)[1], Dim::of(groups)});
  const TransposedAttributes attributes(context.node(), kernel_sizes(context.node(), *x.shape, w));
  for (size_t i = 0; i + 2 < rank; ++i) shape.push_back(attributes.output(i, (*x.shape)[i + 2]));
  context.set_output(0, x.dtype, std::move(shape));
}

Tensors conv_transpose(const KernelInputs& in) {
  const Tensor& x = in[0];
  const Shape& w = in[1].shape();
  const TensorType type = output_type(in, infer);
  const TransposedAttributes attributes(in.node, {w.begin() + 2, w.end()});
  const int64_t groups = in.node.int_or("group", 1);
  ConvGeometry geometry{.batch = x.shape()[0],
                        .groups = groups,
                        .in_channels = w[1],
                        .out_channels = w[0] / groups,
                        .axes = {}};
  for (size_t i = 0; i + 2 < w.size(); ++i)
    geometry.axes.push_back(attributes.resolved(i, x.shape()[i + 2]));
  std::vector<double> y =
      convolved_transposed(x.to_vector<double>(), in[1].to_vector<double>(), geometry);
  if (in.has(2)) add_channel_bias(y, in[2], type.shape);
  return {stored(type.dtype, type.shape, y)};
}

HALFTONE_REGISTER(GraphOp, "ConvTranspose", infer, conv_transpose);

}  // namespace
}  // namespace halftone

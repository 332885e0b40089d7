// Conv over two spatial axes, any groups.
#include "halftone/graph/ops/window.h"
#include "halftone/runtime/convolution_layer.h"
#include "halftone/runtime/native_op.h"

namespace halftone::runtime {
namespace {

// [outputs, inputs / groups, height, width] to [outputs][taps][inputs / groups].
std::vector<int32_t> taps_outermost(const Tensor& weight) {
  const auto codes = weight.to_vector<int32_t>();
  const Shape& shape = weight.shape();
  const int64_t channels = shape[1], taps = shape[2] * shape[3];
  std::vector<int32_t> result(codes.size());
  for (int64_t o = 0; o < shape[0]; ++o)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t t = 0; t < taps; ++t)
        result[static_cast<size_t>((o * taps + t) * channels + c)] =
            codes[static_cast<size_t>((o * channels + c) * taps + t)];
  return result;
}

std::unique_ptr<Layer> make(LoadContext& context, const Node& node, std::string& reason) {
  const auto weight = context.quantized_constant(node.input(1));
  if (!weight) return reason = "its weight is not quantized and constant", nullptr;
  const Shape shape = weight->codes.shape();
  if (shape.size() != 4) return reason = "only convolutions over two axes have a kernel", nullptr;
  if (weight->axis > 0)
    return reason = text("its weight's scales lie along axis ", weight->axis, ", not the outputs'"),
           nullptr;
  const auto attributes = window_attributes(node, {shape[2], shape[3]});
  const Shape input = context.shape(node.input(0));
  const WindowAxis y = attributes.resolved(0, input.at(2)), x = attributes.resolved(1, input.at(3));
  WeightedNode weighted{.window = {.height = y.kernel,
                                   .width = x.kernel,
                                   .stride_y = y.stride,
                                   .stride_x = x.stride,
                                   .dilation_y = y.dilation,
                                   .dilation_x = x.dilation,
                                   .pad_top = y.pad_begin,
                                   .pad_left = x.pad_begin,
                                   .pad_bottom = y.pad_end,
                                   .pad_right = x.pad_end},
                        .groups = node.int_or("group", 1),
                        .inputs = input[1],
                        .outputs = shape[0],
                        .codes = taps_outermost(weight->codes),
                        .weight = *weight,
                        .bias = node.input(2)};
  return make_convolution_layer(context, node, weighted, reason);
}

HALFTONE_REGISTER(NativeOp, "Conv", make);

}  // namespace
}  // namespace halftone::runtime

// Conv: accumulates in double, rounds once.
#include "halftone/graph/ops/convolution.h"
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

void infer(InferenceContext& context) { infer_conv(context, 1, context.input(0).dtype); }

Tensors conv(const KernelInputs& in) {
  const Tensor& x = in[0];
  const Tensor& weight = in[1];
  const TensorType type = output_type(in, infer);
  const ConvGeometry geometry = conv_geometry(in.node, x.shape(), weight.shape());
  std::vector<double> y = convolved(x.to_vector<double>(), weight.to_vector<double>(), geometry);
  if (in.has(2)) {
    const std::vector<double> bias = in[2].to_vector<double>();
    if (bias.size() != static_cast<size_t>(type.shape[1]))
      throw Error("the bias has ", bias.size(), " values for ", type.shape[1], " output channels");
    const auto plane = static_cast<size_t>(geometry.output_plane());
    for (size_t i = 0; i < y.size(); ++i) y[i] += bias[i / plane % bias.size()];
  }
  return {stored(type.dtype, type.shape, y)};
}

HALFTONE_REGISTER(GraphOp, "Conv", infer, conv);

}  // namespace
}  // namespace halftone

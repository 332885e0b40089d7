// Conv: accumulates in double, rounds once.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/convolution.h"
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
  if (in.has(2)) add_channel_bias(y, in[2], type.shape);
  return {stored(type.dtype, type.shape, y)};
}

HALFTONE_REGISTER(GraphOp, "Conv", infer, conv);

}  // namespace
}  // namespace halftone

// ConvTranspose: the transpose of a convolution from the output back to the input, computed in
// double.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/convolution.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/transposed_window.h"

namespace halftone {
namespace {

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
  const TransposedWindow attributes(context.node(), kernel_sizes(context.node(), *x.shape, w));
  for (size_t i = 0; i + 2 < rank; ++i) shape.push_back(attributes.output(i, (*x.shape)[i + 2]));
  context.set_output(0, x.dtype, std::move(shape));
}

Tensors conv_transpose(const KernelInputs& in) {
  const Tensor& x = in[0];
  const Shape& w = in[1].shape();
  const TensorType type = output_type(in, infer);
  const TransposedWindow attributes(in.node, {w.begin() + 2, w.end()});
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

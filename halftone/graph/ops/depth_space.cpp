// DepthToSpace and SpaceToDepth: both are a reshape, a transposition and a reshape.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

int64_t block_of(const Node& node) {
  const int64_t block = node.int_or("blocksize", 0);
  if (block < 1 || block > (1 << 15)) throw Error("blocksize is ", block);
  return block;
}

// Depth [N, C, H, W] to space: channels are divided, height and width multiplied.
void infer_depth_to_space(InferenceContext& context) {
  const ValueType& x = context.input(0);
  const Dim block = Dim::of(block_of(context.node()));
  if (!x.shape) return context.set_output(0, x.dtype, unknown_shape(4));
  if (x.shape->size() != 4)
    throw Error("the input has shape ", to_string(*x.shape), " instead of [N,C,H,W]");
  const auto& s = *x.shape;
  context.set_output(0, x.dtype,
                     SymbolicShape{s[0], quotient({s[1]}, {block, block}), product({s[2], block}),
                                   product({s[3], block})});
}

void infer_space_to_depth(InferenceContext& context) {
  const ValueType& x = context.input(0);
  const Dim block = Dim::of(block_of(context.node()));
  if (!x.shape) return context.set_output(0, x.dtype, unknown_shape(4));
  if (x.shape->size() != 4)
    throw Error("the input has shape ", to_string(*x.shape), " instead of [N,C,H,W]");
  const auto& s = *x.shape;
  context.set_output(0, x.dtype,
                     SymbolicShape{s[0], product({s[1], block, block}), quotient({s[2]}, {block}),
                                   quotient({s[3]}, {block})});
}

// x seen as `split`, with its axes in the order `order`, under the shape `to`.
Tensor rearranged(const Tensor& x, const Shape& split, const std::vector<size_t>& order,
                  const Shape& to) {
  const std::vector<int64_t> own = strides_of(split);
  Shape shape;
  std::vector<int64_t> strides;
  for (size_t axis : order) {
    shape.push_back(split[axis]);
    strides.push_back(own[axis]);
  }
  return picked(x, to, strided_indices(shape, strides));
}

Tensors depth_to_space(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_depth_to_space);
  const Shape& s = in[0].shape();
  const int64_t b = block_of(in.node);
  const std::string mode = in.node.string_or("mode", "DCR");
  if (mode == "DCR")
    return {rearranged(in[0], {s[0], b, b, s[1] / (b * b), s[2], s[3]}, {0, 3, 4, 1, 5, 2},
                       type.shape)};
  if (mode == "CRD")
    return {rearranged(in[0], {s[0], s[1] / (b * b), b, b, s[2], s[3]}, {0, 1, 4, 2, 5, 3},
                       type.shape)};
  throw Error("mode is '", mode, "'; known are DCR and CRD");
}

Tensors space_to_depth(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_space_to_depth);
  const Shape& s = in[0].shape();
  const int64_t b = block_of(in.node);
  return {
      rearranged(in[0], {s[0], s[1], s[2] / b, b, s[3] / b, b}, {0, 3, 5, 1, 2, 4}, type.shape)};
}

HALFTONE_REGISTER(GraphOp, "DepthToSpace", infer_depth_to_space, depth_to_space);
HALFTONE_REGISTER(GraphOp, "SpaceToDepth", infer_space_to_depth, space_to_depth);

}  // namespace
}  // namespace halftone

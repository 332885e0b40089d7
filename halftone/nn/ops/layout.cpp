// The same elements under another shape or in another order: Reshape, Flatten, Identity, Squeeze,
// Unsqueeze, Transpose, Expand, Tile, DepthToSpace, SpaceToDepth.
#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/arguments.h"

namespace halftone {
namespace {

int64_t product_of(at::IntArrayRef sizes) {
  int64_t result = 1;
  for (int64_t size : sizes) result *= size;
  return result;
}

NnOutputs flatten(const NnInputs& in) {
  const at::Tensor& x = in[0];
  int64_t axis = in.node.int_or("axis", 1);
  if (axis < -x.dim() || axis > x.dim()) throw Error("axis ", axis, " is out of range");
  if (axis < 0) axis += x.dim();
  const auto split = static_cast<size_t>(axis);
  return {x.reshape({product_of(x.sizes().slice(0, split)), product_of(x.sizes().slice(split))})};
}

NnOutputs reshape(const NnInputs& in) {
  const at::Tensor& x = in[0];
  std::vector<int64_t> shape = in.ints(1);
  const bool zero_is_a_size = in.node.int_or("allowzero", 0);
  for (size_t i = 0; i < shape.size() && !zero_is_a_size; ++i) {
    if (shape[i] != 0) continue;
    if (static_cast<int64_t>(i) >= x.dim())
      throw Error("the shape's 0 at ", i, " stands for no dimension");
    shape[i] = x.size(static_cast<int64_t>(i));
  }
  return {x.reshape(shape)};
}

NnOutputs identity(const NnInputs& in) { return {in[0]}; }

NnOutputs squeeze(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const auto axes = ints_argument(in, 1, "axes");
  if (!axes) return {x.squeeze()};
  std::vector<int64_t> shape;
  const auto dropped = normalized_axes(*axes, x.dim());
  for (int64_t axis = 0; axis < x.dim(); ++axis) {
    const bool is_dropped = std::ranges::find(dropped, static_cast<size_t>(axis)) != dropped.end();
    if (!is_dropped) shape.push_back(x.size(axis));
    if (is_dropped && x.size(axis) != 1)
      throw Error("axis ", axis, " has size ", x.size(axis), " and cannot be squeezed");
  }
  return {x.reshape(shape)};
}

NnOutputs unsqueeze(const NnInputs& in) {
  const auto axes = ints_argument(in, 1, "axes");
  if (!axes) throw Error("axes are missing");
  at::Tensor y = in[0];
  for (size_t axis : normalized_axes(*axes, y.dim() + static_cast<int64_t>(axes->size())))
    y = y.unsqueeze(static_cast<int64_t>(axis));
  return {y};
}

NnOutputs transpose(const NnInputs& in) {
  std::vector<int64_t> order;
  for (int64_t axis = in[0].dim(); axis-- > 0;) order.push_back(axis);
  return {in[0].permute(in.node.ints_or("perm", order))};
}

// Broadcasts both ways: a 1 in the shape keeps x's size.
NnOutputs expand(const NnInputs& in) {
  const at::Tensor& x = in[0];
  std::vector<int64_t> shape = in.ints(1);
  const auto rank = static_cast<size_t>(x.dim());
  if (shape.size() < rank) shape.insert(shape.begin(), rank - shape.size(), 1);
  for (size_t i = 0; i < rank; ++i) {
    int64_t& size = shape[shape.size() - rank + i];
    if (size == 1) size = x.size(static_cast<int64_t>(i));
  }
  return {x.expand(shape)};
}

NnOutputs tile(const NnInputs& in) {
  const std::vector<int64_t> repeats = in.ints(1);
  if (static_cast<int64_t>(repeats.size()) != in[0].dim())
    throw Error(repeats.size(), " repeats for ", in[0].dim(), " axes");
  return {in[0].repeat(repeats)};
}

int64_t block_of(const NnInputs& in) {
  const int64_t block = in.node.int_or("blocksize", 0);
  if (block < 1) throw Error("blocksize is ", block);
  if (in[0].dim() != 4) throw Error("the input has ", in[0].dim(), " dimensions instead of 4");
  return block;
}

NnOutputs depth_to_space(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const int64_t b = block_of(in), n = x.size(0), c = x.size(1) / (b * b), h = x.size(2),
                w = x.size(3);
  const std::string mode = in.node.string_or("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") throw Error("mode is '", mode, "'; known are DCR and CRD");
  const at::Tensor blocks = mode == "DCR"
                                ? x.reshape({n, b, b, c, h, w}).permute({0, 3, 4, 1, 5, 2})
                                : x.reshape({n, c, b, b, h, w}).permute({0, 1, 4, 2, 5, 3});
  return {blocks.reshape({n, c, h * b, w * b})};
}

NnOutputs space_to_depth(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const int64_t b = block_of(in), n = x.size(0), c = x.size(1), h = x.size(2) / b,
                w = x.size(3) / b;
  return {x.reshape({n, c, h, b, w, b}).permute({0, 3, 5, 1, 2, 4}).reshape({n, c * b * b, h, w})};
}

HALFTONE_REGISTER(NnOp, "Flatten", flatten);
HALFTONE_REGISTER(NnOp, "Reshape", reshape);
HALFTONE_REGISTER(NnOp, "Identity", identity);
HALFTONE_REGISTER(NnOp, "Squeeze", squeeze);
HALFTONE_REGISTER(NnOp, "Unsqueeze", unsqueeze);
HALFTONE_REGISTER(NnOp, "Transpose", transpose);
HALFTONE_REGISTER(NnOp, "Expand", expand);
HALFTONE_REGISTER(NnOp, "Tile", tile);
HALFTONE_REGISTER(NnOp, "DepthToSpace", depth_to_space);
HALFTONE_REGISTER(NnOp, "SpaceToDepth", space_to_depth);

}  // namespace
}  // namespace halftone

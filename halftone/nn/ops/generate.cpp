// Tensors made from few numbers or from a shape: Constant, ConstantOfShape, Shape, Size, Range,
// OneHot, EyeLike; and Trilu, NonZero, Dropout.
#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"
#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

NnOutputs constant_of_shape(const NnInputs& in) {
  const Tensor* value = in.node.tensor("value");
  if (value && value->count() != 1)
    throw Error("the attribute value has shape ", to_string(value->shape()));
  const at::Tensor fill = value ? to_torch(*value).reshape({}) : at::zeros({}, at::kFloat);
  return {fill.to(in[0].device()).expand(in.ints(0)).contiguous()};
}

at::Tensor integers(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::TensorOptions(at::kLong)).to(device);
}

NnOutputs shape_of(const NnInputs& in) {
  const int64_t rank = in[0].dim();
  const auto bound = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = bound(in.node.int_or("start", 0));
  const int64_t end = std::max(start, bound(in.node.int_or("end", rank)));
  const auto sizes =
      in[0].sizes().slice(static_cast<size_t>(start), static_cast<size_t>(end - start));
  return {integers(sizes.vec(), in[0].device())};
}

NnOutputs size_of(const NnInputs& in) {
  return {at::full({}, in[0].numel(), in[0].options().dtype(at::kLong))};
}

NnOutputs trilu(const NnInputs& in) {
  if (in[0].dim() < 2) throw Error("the input has ", in[0].dim(), " dimensions, not a matrix's");
  // Diagonals that far off show nothing, and nothing overflows on the way.
  const int64_t k = in.has(1) ? std::clamp(in.ints(1).at(0), -kMostElements, kMostElements) : 0;
  return {in.node.int_or("upper", 1) ? at::triu(in[0], k) : at::tril(in[0], k)};
}

NnOutputs non_zero(const NnInputs& in) { return {at::nonzero(in[0]).t().contiguous()}; }

// Where nothing is dropped the mask keeps everything.
NnOutputs dropout(const NnInputs& in) {
  const at::Tensor& x = in[0];
  const bool asks_to_train = in.has(2) && in[2].item<bool>();
  const double ratio = in.has(1) ? in[1].item<double>() : in.node.float_or("ratio", 0.5f);
  const bool drops = (in.training || asks_to_train) && ratio > 0;
  const bool wants_mask = in.node.outputs.size() > 1;
  if (!drops && !wants_mask) return {x};
  if (!drops) return {x, at::ones_like(x, x.options().dtype(at::kBool))};
  auto [y, mask] = at::native_dropout(x, ratio, true);
  return {y, mask};
}

HALFTONE_REGISTER(NnOp, "Constant", via_reference);
HALFTONE_REGISTER(NnOp, "ConstantOfShape", constant_of_shape);
HALFTONE_REGISTER(NnOp, "Shape", shape_of);
HALFTONE_REGISTER(NnOp, "Size", size_of);
HALFTONE_REGISTER(NnOp, "Range", via_reference);
HALFTONE_REGISTER(NnOp, "OneHot", via_reference);
HALFTONE_REGISTER(NnOp, "EyeLike", via_reference);
HALFTONE_REGISTER(NnOp, "Trilu", or_reference<trilu>);
HALFTONE_REGISTER(NnOp, "NonZero", or_reference<non_zero>);
HALFTONE_REGISTER(NnOp, "Dropout", dropout);

}  // namespace
}  // namespace halftone

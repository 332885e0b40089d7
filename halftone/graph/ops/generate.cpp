// Tensors made from few numbers: Range, OneHot, EyeLike; and Trilu and NonZero.
#include <algorithm>
#include <cmath>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/shape_arithmetic.h"
#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

// Number of values from start to limit, the limit left out.
int64_t range_count(const Tensor& start, const Tensor& limit, const Tensor& delta) {
  const double step = delta.item<double>();
  const double count = std::ceil((limit.item<double>() - start.item<double>()) / step);
  if (step == 0 || std::isnan(count) || count > static_cast<double>(kMostElements))
    throw Error("from ", start.item<double>(), " to ", limit.item<double>(), " in steps of ", step,
                " are not fewer than 2^31 values");
  return count > 0 ? static_cast<int64_t>(count) : 0;
}

void infer_range(InferenceContext& context) {
  const Tensor *start = context.constant(0), *limit = context.constant(1),
               *delta = context.constant(2);
  const DType dtype = context.input(0).dtype;
  if (!start || !limit || !delta) return context.set_output(0, dtype, unknown_shape(1));
  const int64_t count = range_count(*start, *limit, *delta);
  context.set_output(0, dtype, SymbolicShape{Dim::of(count)});
  if (!may_have_contents(context) || count > 64) return;
  SymbolicShape elements;
  for (int64_t i = 0; i < count; ++i)
    elements.push_back(
        element_of(wrapping_add(start->item<int64_t>(), wrapping_mul(i, delta->item<int64_t>()))));
  context.set_contents(0, std::move(elements));
}

Tensors range(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_range);
  return {in_domain_of(type.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T start = in[0].item<T>(), delta = in[2].item<T>();
    std::vector<T> values(static_cast<size_t>(type.shape[0]));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = wrapping_add(start, wrapping_mul(static_cast<T>(i), delta));
    return stored(type.dtype, type.shape, values);
  })};
}

size_t one_hot_axis(const Node& node, size_t rank) {
  return normalized_axis(node.int_or("axis", -1), static_cast<int64_t>(rank) + 1);
}

// The number of classes: one element of any numeric type.
int64_t depth_of(const Tensor& depth) {
  const double value = depth.item<double>();
  if (!(value >= 1 && value <= static_cast<double>(kMostElements))) throw Error("depth is ", value);
  return static_cast<int64_t>(value);
}

void infer_one_hot(InferenceContext& context) {
  MaybeShape shape = context.input(0).shape;
  if (shape) {
    const size_t axis = one_hot_axis(context.node(), shape->size());
    const Tensor* depth = context.constant(1);
    shape->insert(shape->begin() + static_cast<std::ptrdiff_t>(axis),
                  depth ? Dim::of(depth_of(*depth)) : Dim{});
  }
  context.set_output(0, context.input(2).dtype, shape);
}

Tensors one_hot(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_one_hot);
  if (in[2].count() != 2)
    throw Error("values has shape ", to_string(in[2].shape()), " instead of [2]");
  const size_t axis = one_hot_axis(in.node, in[0].shape().size());
  const auto depth = static_cast<double>(type.shape[axis]);
  const std::vector<double> indices = in[0].to_vector<double>();
  std::vector<int64_t> choice(static_cast<size_t>(element_count(type.shape)), 0);
  // Where each lane along the new axis stands, in the order of the indices.
  const std::vector<int64_t> lanes = lane_indices(type.shape, {axis});
  for (size_t i = 0; i < indices.size(); ++i) {
    const double index = indices[i] < 0 ? indices[i] + depth : indices[i];
    if (index >= 0 && index < depth)
      choice[static_cast<size_t>(
          lanes[i * static_cast<size_t>(depth) + static_cast<size_t>(index)])] = 1;
  }
  return {picked(in[2], type.shape, choice)};
}

// Calls `run(position, row, column)` for every element of a stack of matrices.
template <typename F>
void for_each_matrix_element(const Shape& shape, const F& run) {
  const int64_t rows = shape[shape.size() - 2], columns = shape.back(),
                count = element_count(shape);
  for (int64_t i = 0; i < count; ++i) run(i, i / columns % rows, i % columns);
}

// Diagonals that far off show nothing, and nothing overflows on the way.
int64_t diagonal(int64_t k) {
  return std::clamp<int64_t>(k, -kMostElements * 2, kMostElements * 2);
}

void infer_trilu(InferenceContext& context) {
  require_rank(context.input(0).shape, 2, "the input");
  same_type_as_input(context);
}

Tensors trilu(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_trilu);
  const bool keeps_upper = in.node.int_or("upper", 1);
  const int64_t k = in.has(1) ? diagonal(in[1].item<int64_t>()) : 0;
  std::vector<int64_t> at(static_cast<size_t>(element_count(type.shape)));
  for_each_matrix_element(type.shape, [&](int64_t i, int64_t row, int64_t column) {
    const bool is_kept = keeps_upper ? column >= row + k : column <= row + k;
    at[static_cast<size_t>(i)] = is_kept ? i : -1;
  });
  return {picked(in[0], type.shape, at)};
}

void infer_eye_like(InferenceContext& context) {
  const ValueType& x = context.input(0);
  if (x.shape && x.shape->size() != 2)
    throw Error("the input has shape ", to_string(*x.shape), ", not a matrix's");
  const auto dtype =
      static_cast<DType>(context.node().int_or("dtype", static_cast<int64_t>(x.dtype)));
  context.set_output(0, dtype, x.shape);
}

Tensors eye_like(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_eye_like);
  const int64_t k = diagonal(in.node.int_or("k", 0));
  std::vector<int64_t> values(static_cast<size_t>(element_count(type.shape)));
  for_each_matrix_element(type.shape, [&](int64_t i, int64_t row, int64_t column) {
    values[static_cast<size_t>(i)] = column == row + k;
  });
  return {stored(type.dtype, type.shape, values)};
}

void infer_non_zero(InferenceContext& context) {
  const MaybeShape& shape = context.input(0).shape;
  context.set_output(
      0, DType::kInt64,
      SymbolicShape{shape ? Dim::of(static_cast<int64_t>(shape->size())) : Dim{}, Dim{}});
}

Tensors non_zero(const KernelInputs& in) {
  const Tensor& x = in[0];
  std::vector<std::vector<int64_t>> coordinates(x.shape().size());
  std::vector<int64_t> coordinate(x.shape().size(), 0);
  int64_t found = 0;
  for (double value : x.to_vector<double>()) {
    if (value != 0) {
      ++found;
      for (size_t i = 0; i < coordinate.size(); ++i) coordinates[i].push_back(coordinate[i]);
    }
    advance(coordinate, x.shape());
  }
  std::vector<int64_t> result;
  for (const auto& row : coordinates) result.insert(result.end(), row.begin(), row.end());
  return {Tensor::of<int64_t>({x.rank(), found}, std::move(result))};
}

HALFTONE_REGISTER(GraphOp, "Range", infer_range, range);
HALFTONE_REGISTER(GraphOp, "OneHot", infer_one_hot, one_hot);
HALFTONE_REGISTER(GraphOp, "Trilu", infer_trilu, trilu);
HALFTONE_REGISTER(GraphOp, "EyeLike", infer_eye_like, eye_like);
HALFTONE_REGISTER(GraphOp, "NonZero", infer_non_zero, non_zero);

}  // namespace
}  // namespace halftone

// Concat and Split.
#include <algorithm>

#include "halftone/graph/ops/shape_arithmetic.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

int64_t product_of(const Shape& shape, size_t begin, size_t end) {
  return element_count({shape.begin() + static_cast<std::ptrdiff_t>(begin),
                        shape.begin() + static_cast<std::ptrdiff_t>(end)});
}

// nullopt where not even the rank is known. What is known of one input's other dimensions is known
// of the output's.
MaybeShape concatenated_shape(const InferenceContext& context) {
  MaybeShape result;
  for (size_t i = 0; i < context.input_count(); ++i)
    if (context.input(i).shape)
      result = unknown_shape(static_cast<int64_t>(context.input(i).shape->size()));
  if (!result) return result;
  const size_t axis =
      normalized_axis(context.node().int_or("axis", 0), static_cast<int64_t>(result->size()));
  (*result)[axis] = Dim::of(0);
  for (size_t i = 0; i < context.input_count(); ++i) {
    const MaybeShape& shape = context.input(i).shape;
    if (shape && shape->size() != result->size())
      throw Error("input ", i, " has shape ", to_string(*shape), ", but another has ",
                  result->size(), " dimensions");
    for (size_t k = 0; k < result->size(); ++k) {
      const Dim dim = shape ? (*shape)[k] : Dim{};
      (*result)[k] = k == axis ? plus((*result)[k], dim)
                               : unified((*result)[k], dim, "a dimension that is not joined");
    }
  }
  return result;
}

void infer_concat(InferenceContext& context) {
  if (context.input_count() == 0) throw Error("there is nothing to join");
  context.set_output(0, context.input(0).dtype, concatenated_shape(context));
  if (!may_have_contents(context)) return;
  SymbolicShape elements;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (auto part = known_elements(context, i)) {
      elements.insert(elements.end(), part->begin(), part->end());
    } else {  // so many elements that are not known
      const auto shape = context.input(i).static_shape();
      if (!shape || shape->size() != 1 || (*shape)[0] > 64) return;
      elements.resize(elements.size() + static_cast<size_t>((*shape)[0]));
    }
  }
  context.set_contents(0, std::move(elements));
}

Tensors concat(const KernelInputs& in) {
  const TensorType type = output_type(in, infer_concat);
  const size_t rank = type.shape.size();
  const size_t axis = normalized_axis(in.node.int_or("axis", 0), static_cast<int64_t>(rank));
  const int64_t outer = product_of(type.shape, 0, axis);
  TensorBuilder out(type.dtype, type.shape);
  int64_t to = 0;
  for (int64_t row = 0; row < outer; ++row)
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t run = product_of(in[i].shape(), axis, rank);
      out.copy(to, in[i], row * run, run);
      to += run;
    }
  return {std::move(out).finish()};
}

// Sizes of the parts along the axis, as far as they are known: from the input or attribute `split`,
// else equal parts of which the last may be smaller.
SymbolicShape part_sizes(const InferenceContext& context, const Dim& whole) {
  const size_t parts = context.node().outputs.size();
  const IntsArgument split = ints_argument(context, 1, "split");
  if (split.is_given && !split.values) return SymbolicShape(parts);
  if (split.is_given) {
    if (split.values->size() != parts)
      throw Error("split has ", split.values->size(), " sizes for ", parts, " outputs");
    Dim sum = Dim::of(0);
    SymbolicShape result;
    for (int64_t size : *split.values) {
      if (size < 0) throw Error("split has a part of size ", size);
      result.push_back(Dim::of(size));
      sum = plus(sum, result.back());
    }
    unified(sum, whole, "the sum of the parts' sizes");
    return result;
  }
  const int64_t count = context.node().int_or("num_outputs", static_cast<int64_t>(parts));
  if (count != static_cast<int64_t>(parts))
    throw Error("num_outputs is ", count, " for ", parts, " outputs");
  if (!whole.known() || parts == 0) return SymbolicShape(parts);
  const int64_t size = (whole.value + count - 1) / count;
  SymbolicShape result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(Dim::of(std::clamp<int64_t>(whole.value - i * size, 0, size)));
  return result;
}

void infer_split(InferenceContext& context) {
  const ValueType& x = context.input(0);
  require_rank(x.shape, 1, "the input");
  for (size_t i = 0; i < context.node().outputs.size(); ++i) {
    MaybeShape shape = x.shape;
    if (shape) {
      const size_t axis =
          normalized_axis(context.node().int_or("axis", 0), static_cast<int64_t>(shape->size()));
      (*shape)[axis] = part_sizes(context, (*shape)[axis])[i];
    }
    context.set_output(i, x.dtype, shape);
  }
}

Tensors split(const KernelInputs& in) {
  const Tensor& x = in[0];
  const size_t rank = x.shape().size();
  const size_t axis = normalized_axis(in.node.int_or("axis", 0), x.rank());
  const int64_t outer = product_of(x.shape(), 0, axis), row = product_of(x.shape(), axis, rank);
  Tensors results;
  int64_t start = 0;
  for (size_t i = 0; i < in.node.outputs.size(); ++i) {
    const TensorType type = output_type(in, infer_split, i);
    const int64_t run = product_of(type.shape, axis, rank);
    TensorBuilder out(type.dtype, type.shape);
    for (int64_t k = 0; k < outer; ++k) out.copy(k * run, x, k * row + start, run);
    results.push_back(std::move(out).finish());
    start += run;
  }
  return results;
}

HALFTONE_REGISTER(GraphOp, "Concat", infer_concat, concat);
HALFTONE_REGISTER(GraphOp, "Split", infer_split, split);

}  // namespace
}  // namespace halftone

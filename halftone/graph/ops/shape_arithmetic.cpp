#include "halftone/graph/ops/shape_arithmetic.h"

#include <algorithm>

namespace halftone {

bool may_have_contents(const InferenceContext& context) {
  if (context.outputs().empty()) return false;
  const ValueType& type = context.outputs()[0];
  return type.dtype == DType::kInt64 && type.shape && type.shape->size() <= 1;
}

void copy_contents(InferenceContext& context) {
  if (!may_have_contents(context)) return;
  if (const auto elements = known_elements(context, 0)) context.set_contents(0, *elements);
}

void combine_contents(InferenceContext& context, int64_t (*on_values)(int64_t, int64_t),
                      Dim (*on_elements)(const Dim&, const Dim&)) {
  const auto a = known_elements(context, 0);
  const auto b = known_elements(context, 1);
  if (!may_have_contents(context) || !a || !b || a->empty() || b->empty()) return;
  if (a->size() != b->size() && a->size() != 1 && b->size() != 1) return;
  SymbolicShape result;
  for (size_t i = 0; i < std::max(a->size(), b->size()); ++i) {
    const Dim& left = (*a)[a->size() == 1 ? 0 : i];
    const Dim& right = (*b)[b->size() == 1 ? 0 : i];
    const auto x = value_of(left);
    const auto y = value_of(right);
    result.push_back(x && y ? element_of(on_values(*x, *y)) : on_elements(left, right));
  }
  context.set_contents(0, std::move(result));
}

}  // namespace halftone

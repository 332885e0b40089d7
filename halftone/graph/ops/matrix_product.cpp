#include "halftone/graph/ops/matrix_product.h"

#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

// The dimensions before the last two.
template <typename S>
S stack_of(const S& shape) {
  return {shape.begin(), shape.end() - 2};
}

}  // namespace

MaybeShape matmul_shape(const MaybeShape& a, const MaybeShape& b) {
  require_rank(a, 1, "the first matrix");
  require_rank(b, 1, "the second matrix");
  if (!a || !b) return std::nullopt;
  SymbolicShape left = *a, right = *b;
  if (a->size() == 1) left.insert(left.begin(), Dim::of(1));
  if (b->size() == 1) right.push_back(Dim::of(1));
  const Dim& inner = left.back();
  const Dim& other = right[right.size() - 2];
  if (inner.known() && other.known() && inner.value != other.value)
    throw Error("matrices of shape ", to_string(*a), " and ", to_string(*b),
                " do not fit: inner sizes ", inner.value, " and ", other.value);
  SymbolicShape result = broadcast(stack_of(left), stack_of(right));
  if (a->size() > 1) result.push_back(left[left.size() - 2]);
  if (b->size() > 1) result.push_back(right.back());
  return result;
}

template <typename T>
std::vector<T> matrix_product(const std::vector<T>& a, const Shape& a_shape,
                              const std::vector<T>& b, const Shape& b_shape) {
  Shape left = a_shape, right = b_shape;
  if (left.size() == 1) left.insert(left.begin(), 1);
  if (right.size() == 1) right.push_back(1);
  const int64_t rows = left[left.size() - 2], inner = left.back(), columns = right.back();
  Shape stack;
  for (const Dim& dim : broadcast(symbolic(stack_of(left)), symbolic(stack_of(right))))
    stack.push_back(dim.value);
  const auto a_at = strided_indices(stack, broadcast_strides(stack_of(left), stack));
  const auto b_at = strided_indices(stack, broadcast_strides(stack_of(right), stack));
  std::vector<T> result(a_at.size() * static_cast<size_t>(rows * columns));
  for (size_t s = 0; s < a_at.size(); ++s) {
    for (int64_t i = 0; i < rows; ++i) {
      T* out = result.data() + (static_cast<int64_t>(s) * rows + i) * columns;
      for (int64_t k = 0; k < inner; ++k) {
        const T factor = a[static_cast<size_t>((a_at[s] * rows + i) * inner + k)];
        const T* row = b.data() + (b_at[s] * inner + k) * columns;
        for (int64_t j = 0; j < columns; ++j)
          out[j] = wrapping_add(out[j], wrapping_mul(factor, row[j]));
      }
    }
  }
  return result;
}
template std::vector<double> matrix_product(const std::vector<double>&, const Shape&,
                                            const std::vector<double>&, const Shape&);
template std::vector<int64_t> matrix_product(const std::vector<int64_t>&, const Shape&,
                                             const std::vector<int64_t>&, const Shape&);

}  // namespace halftone

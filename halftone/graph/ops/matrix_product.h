// numpy's matmul: the last two axes are matrices, the others broadcast; a vector counts as a row on
// the left, a column on the right.
#pragma once

#include <vector>

#include "halftone/graph/ops/dims.h"

namespace halftone {

// Throws Error where the shapes do not fit.
MaybeShape matmul_shape(const MaybeShape& a, const MaybeShape& b);

// `shape` is matmul_shape of the two. Instances for double and int64_t.
template <typename T>
std::vector<T> matrix_product(const std::vector<T>& a, const Shape& a_shape,
                              const std::vector<T>& b, const Shape& b_shape);

}  // namespace halftone

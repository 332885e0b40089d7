// What operators know of the contents of small integer tensors: PyTorch computes shapes in the
// graph (Shape, Gather, Mul, Concat, Reshape), and most of it is known before anything runs, even
// where the batch is symbolic.
#pragma once

#include "halftone/graph/op.h"
#include "halftone/graph/ops/arguments.h"

namespace halftone {

// Whether output 0 is an int64 tensor of rank 0 or 1, the only kind with contents.
bool may_have_contents(const InferenceContext& context);

// Output 0 holds the same elements as input 0.
void copy_contents(InferenceContext& context);

// Element by element over two inputs, one perhaps of a single element: exact on known values,
// `on_elements` otherwise.
void combine_contents(InferenceContext& context, int64_t (*on_values)(int64_t, int64_t),
                      Dim (*on_elements)(const Dim&, const Dim&));

}  // namespace halftone

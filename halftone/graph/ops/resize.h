// What a Resize node asks of every axis. Of its inputs only roi, scales and sizes are read; x may
// be left out (nullptr), its shape is given.
#pragma once

#include <vector>

#include "halftone/graph/op.h"
#include "halftone/graph/ops/resampling.h"

namespace halftone {

// Throws Error where scales or sizes are missing or do not fit.
Shape resized_shape(const KernelInputs& in, const Shape& input);
std::vector<ResampledAxis> resampled_axes(const KernelInputs& in, const Shape& input,
                                          const Shape& output);

}  // namespace halftone

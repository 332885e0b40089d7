// A quantized network for another target, without changing a number.
//
//   Model out = reexport(read_model("int8.onnx"), Registry<Profile>::get("openvino"));
#pragma once

#include "halftone/export/profile.h"
#include "halftone/graph/graph.h"

namespace halftone {

// Takes Q and DQ apart and writes them as `profile` has them: scales, zero points and codes stay,
// bit for bit; only where they are stored may change (int8 for uint8, a float bias for int32).
// Throws Error where the model is float, or naming the tensor that the target cannot hold as it is.
Model reexport(const Model& source, const Profile& profile);

}  // namespace halftone

// The compact form: a quantized file whose weights really take their bits, and that stock
// onnxruntime runs as ordinary int8.
//
//   write_model(pack(read_model("w4a4.onnx")), "w4a4-compact.onnx");
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// model: QDQ, as write_qdq() makes it or other tools do; weights in int8. Stores weights of fewer
// than 8 bits packed (the width told by the metadata, else the least that holds the codes), with
// standard operators that constant folding runs when the file is loaded; computes bias scales
// likewise, stores weights of one shape and equal constants once, leaves out each Relu that its Q
// does, shares dequantizers, shortens the names of inner values.
// Outputs are bit-identical. Throws Error where the model is not quantized.
Model pack(const Model& model);

// The way back: int8 weights, names of sites, metadata. Does nothing to a model that is not packed.
Model unpack(const Model& model);

}  // namespace halftone

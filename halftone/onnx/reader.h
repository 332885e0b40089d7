// Reads ONNX files: IR versions to 13, every tensor type, external data, without copying weights.
//
//   Model model = read_model("resnet20.onnx");
//   infer_shapes(model.graph);
//
// Weights stay in the memory-mapped file, which lives as long as a Tensor of it. What halftone does
// not know (operators, attributes, functions, annotations) is kept and written back.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "halftone/graph/graph.h"

namespace halftone {

// Throws Error naming the file and what is wrong in it: not an ONNX model, truncated, sizes that do
// not fit, a cycle, a name made twice or by nothing, external data outside the model's folder.
// Nodes come sorted.
Model read_model(const std::filesystem::path& path);

// The same from memory. `owner` keeps `bytes` alive; external data is looked for in `folder`, and
// refused where it is empty.
Model parse_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                  const std::filesystem::path& folder = {});

// A file that holds one TensorProto, as the ONNX test cases have them.
Tensor read_tensor_file(const std::filesystem::path& path);

}  // namespace halftone

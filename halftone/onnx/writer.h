// Writes a Model as an ONNX file.
//
//   write_model(model, "out.onnx");
//
// Equal models give equal bytes. Weights are written from where they lie, without building the file
// in memory. Above 2 GB of weights (protobuf's limit) they go into one external file beside the
// model, `out.onnx.data`, aligned to 4096 bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "halftone/graph/graph.h"

namespace halftone {

struct WriteOptions {
  // Initializers together larger than this go into an external file.
  uint64_t external_above_bytes = 1'900'000'000;
};

// Returns the bytes written, external file included. Throws Error naming the path; what was there
// before is then unharmed.
uint64_t write_model(const Model& model, const std::filesystem::path& path,
                     const WriteOptions& options = {});

// The file's bytes, for tests and small models.
std::string serialize_model(const Model& model);

}  // namespace halftone

// The ONNX reader, and what inspect does with what it read.
#include <cstdint>
#include <memory>
#include <vector>

#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/onnx/lift.h"
#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto owner = std::make_shared<std::vector<uint8_t>>(data, data + size);
  try {
    halftone::Model model = halftone::parse_model(std::as_bytes(std::span(*owner)), owner);
    halftone::serialize_model(model);
    model = halftone::lifted(model);
    halftone::infer_shapes(model.graph);
    halftone::cost_of(model.graph);
    halftone::partition_blocks(model.graph);
  } catch (const halftone::Error&) {
  }
  return 0;
}

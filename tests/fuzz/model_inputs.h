// What the fuzz targets of models and plans do with bytes; each throws Error for what it refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/onnx/lift.h"
#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"
#include "halftone/quant/plan.h"
#include "halftone/runtime/session.h"

namespace halftone::fuzz {

inline Model read_bytes(std::span<const std::byte> bytes) {
  auto owner = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return parse_model(std::span<const std::byte>(*owner), owner);
}

// The ONNX reader, and what inspect does with what it read.
inline void read_onnx(std::span<const std::byte> bytes) {
  Model model = read_bytes(bytes);
  serialize_model(model);
  model = lifted(model);
  infer_shapes(model.graph);
  cost_of(model.graph);
  partition_blocks(model.graph);
}

inline void read_plan(std::span<const std::byte> bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const QuantPlan plan = parse_plan(text, "fuzz");
  parse_plan(to_json(plan), "again");
  try {
    require_known_sites(plan, {"conv.weight"}, text, "fuzz");
  } catch (const Error&) {  // most plans are of another network
  }
}

// The native runtime's loader, and a run of what it loaded.
inline void run_native(std::span<const std::byte> bytes) {
  using namespace runtime;
  auto program = std::make_shared<Program>(load_program(read_bytes(bytes)));
  uint64_t macs = 0;
  for (const auto& layer : program->layers) macs += layer->macs;
  if (program->arena_bytes > (1 << 24) || macs > 100'000'000) return;
  Session session(program);
  std::vector<std::vector<std::byte>> buffers;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const Port& port : session.inputs())
    inputs.push_back(buffers.emplace_back(port.bytes() + 1, std::byte{0x3E}).data());
  for (const Port& port : session.outputs())
    outputs.push_back(buffers.emplace_back(port.bytes() + 1).data());
  (void)session.run(inputs, outputs);
}

}  // namespace halftone::fuzz

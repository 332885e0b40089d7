// The native runtime's loader, and a run of what it loaded.
#include <cstdint>
#include <memory>
#include <vector>

#include "halftone/onnx/reader.h"
#include "halftone/runtime/session.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto owner = std::make_shared<std::vector<uint8_t>>(data, data + size);
  try {
    using namespace halftone::runtime;
    auto program = std::make_shared<Program>(
        load_program(halftone::parse_model(std::as_bytes(std::span(*owner)), owner)));
    uint64_t macs = 0;
    for (const auto& layer : program->layers) macs += layer->macs;
    if (program->arena_bytes > (1 << 24) || macs > 100'000'000) return 0;
    Session session(program);
    std::vector<std::vector<std::byte>> buffers;
    std::vector<const void*> inputs;
    std::vector<void*> outputs;
    for (const Port& port : session.inputs())
      inputs.push_back(buffers.emplace_back(port.bytes() + 1, std::byte{0x3E}).data());
    for (const Port& port : session.outputs())
      outputs.push_back(buffers.emplace_back(port.bytes() + 1).data());
    (void)session.run(inputs, outputs);
  } catch (const halftone::Error&) {
  }
  return 0;
}

#include <cstdint>

#include "tests/fuzz/model_inputs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    halftone::fuzz::read_plan(std::as_bytes(std::span(data, size)));
  } catch (const halftone::Error&) {
  }
  return 0;
}

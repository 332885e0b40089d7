#include <cstdint>
#include <string>

#include "halftone/base/error.h"
#include "halftone/quant/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const halftone::QuantPlan plan = halftone::parse_plan(text, "fuzz");
    halftone::parse_plan(halftone::to_json(plan), "again");
    halftone::require_known_sites(plan, {"conv.weight"}, text, "fuzz");
  } catch (const halftone::Error&) {
  }
  return 0;
}

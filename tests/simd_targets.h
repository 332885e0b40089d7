// For tests: a loop over every instruction set that this CPU and this build have.
#pragma once

#include <hwy/highway.h>

#include <cstdint>

namespace halftone::runtime {

// Calls body(name) with each instruction set in force.
template <typename Body>
void on_every_target(const Body& body) {
  const int64_t supported = (hwy::SupportedTargets() | HWY_EMU128) & HWY_TARGETS;
  for (int64_t left = supported; left; left &= left - 1) {
    const int64_t target = left & -left;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace halftone::runtime

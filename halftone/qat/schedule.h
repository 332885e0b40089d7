// How the learning rate changes from step to step.
#pragma once

#include <cstdint>
#include <string>

#include "halftone/base/registry.h"

namespace halftone {

// Where a training is.
struct TrainingStep {
  uint64_t step = 0;   // from 0
  uint64_t total = 1;  // steps of the whole training
  double progress() const { return static_cast<double>(step) / static_cast<double>(total); }
};

struct Schedule {
  static constexpr const char* kKind = "schedule";
  std::string name;
  std::string summary;
  double (*factor)(const TrainingStep&);  // of the learning rate
  // Steps after which the optimizer forgets its moments; 0: never.
  uint64_t (*cycle)(uint64_t total) = nullptr;
};

// The factor with a linear warm-up over the first `warmup` (share of all steps) before the
// schedule.
double rate_factor(const Schedule& schedule, const TrainingStep& at, double warmup);

// Whether the optimizer is to forget before this step: a cycle begins, the first one apart.
bool begins_cycle(const Schedule& schedule, const TrainingStep& at, double warmup);

}  // namespace halftone

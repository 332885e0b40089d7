#include "halftone/qat/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace halftone {

namespace {

uint64_t warm_steps(const TrainingStep& at, double warmup) {
  return static_cast<uint64_t>(warmup * static_cast<double>(at.total));
}

// The step as the schedule counts, which begins after `warm` steps.
TrainingStep after(uint64_t warm, const TrainingStep& at) {
  return {at.step - warm, std::max<uint64_t>(1, at.total - warm)};
}

}  // namespace

double rate_factor(const Schedule& schedule, const TrainingStep& at, double warmup) {
  const uint64_t warm = warm_steps(at, warmup);
  if (at.step < warm) return static_cast<double>(at.step + 1) / static_cast<double>(warm + 1);
  return schedule.factor(after(warm, at));
}

bool begins_cycle(const Schedule& schedule, const TrainingStep& at, double warmup) {
  const uint64_t warm = warm_steps(at, warmup);
  if (!schedule.cycle || at.step <= warm) return false;
  const TrainingStep counted = after(warm, at);
  const uint64_t cycle = schedule.cycle(counted.total);
  return cycle && counted.step % cycle == 0;
}

namespace {

double cosine(const TrainingStep& at) {
  return 0.5 * (1 + std::cos(std::numbers::pi * at.progress()));
}

double constant(const TrainingStep&) { return 1; }

double step(const TrainingStep& at) {
  return at.progress() < 0.5 ? 1 : at.progress() < 0.75 ? 0.1 : 0.01;
}

// Up from 1/25 over the first 0.3, down to 1/10,000, both by half a cosine (Smith and Topin 2018).
double one_cycle(const TrainingStep& at) {
  constexpr double kTop = 0.3, kStart = 1.0 / 25, kEnd = 1e-4;
  const double t = at.progress();
  const bool rises = t < kTop;
  const double along = rises ? t / kTop : (t - kTop) / (1 - kTop);
  const double from = rises ? kStart : 1, to = rises ? 1 : kEnd;
  return to + (from - to) * 0.5 * (1 + std::cos(std::numbers::pi * along));
}

// exp(-1e-4 t) |cos(pi k / 4K)|, k the step within cycles of K = 400 at whose ends the optimizer
// forgets (Goncharenko et al. 2018); shorter trainings are one cycle of a whole cosine.
constexpr uint64_t kCycle = 400;
double saw_tooth(const TrainingStep& at) {
  if (at.total < kCycle) return cosine(at);
  const auto within = static_cast<double>(at.step % kCycle) / static_cast<double>(kCycle);
  return std::exp(-1e-4 * static_cast<double>(at.step)) *
         std::fabs(std::cos(std::numbers::pi * within / 4));
}
uint64_t saw_tooth_cycle(uint64_t total) { return total < kCycle ? 0 : kCycle; }

HALFTONE_REGISTER(Schedule, "cosine", "Half a cosine down to 0", cosine);
HALFTONE_REGISTER(Schedule, "constant", "The same rate throughout", constant);
HALFTONE_REGISTER(Schedule, "step", "A tenth after half, a hundredth after three quarters", step);
HALFTONE_REGISTER(Schedule, "one-cycle", "Up over the first third, then down to almost 0",
                  one_cycle);
HALFTONE_REGISTER(Schedule, "saw-tooth", "Cycles of 400 steps that decay together", saw_tooth,
                  saw_tooth_cycle);

}  // namespace
}  // namespace halftone

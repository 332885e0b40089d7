// What the Trainer adds up over an epoch.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "halftone/qat/trainer.h"

namespace halftone {

using TrainerClock = std::chrono::steady_clock;

// Of one epoch so far.
struct Trainer::Sums {
  double loss = 0, right = 0, samples = 0, labelled = 0, seconds = 0;
  uint64_t steps = 0;
  double rate = 0;
  TrainerClock::time_point saved = TrainerClock::now(), counted = TrainerClock::now(),
                           reported = TrainerClock::now();

  // Of one step. Returns its top-1 in percent, -1 without labels.
  double add(double step_loss, const at::Tensor& logits, const at::Tensor& labels) {
    const double known = (labels >= 0).sum().item<double>();
    const double hits =
        known > 0 && logits.dim() == 2 ? (logits.argmax(1) == labels).sum().item<double>() : 0;
    const auto now = TrainerClock::now();  // reading and validation count too
    seconds += std::chrono::duration<double>(now - counted).count();
    counted = now;
    loss += step_loss;
    right += hits;
    labelled += known;
    samples += static_cast<double>(labels.size(0));
    ++steps;
    return known > 0 ? 100 * hits / known : -1;
  }
  double mean_loss() const { return loss / static_cast<double>(std::max<uint64_t>(1, steps)); }
  double top1() const { return 100 * right / labelled; }  // percent; with labels alone
  double images_per_second() const { return samples / std::max(1e-9, seconds); }

  at::Tensor packed() const {
    return at::tensor({loss, right, samples, labelled, seconds, static_cast<double>(steps), rate},
                      at::kDouble);
  }
  void unpack(const at::Tensor& t) {
    const double* v = t.const_data_ptr<double>();
    loss = v[0], right = v[1], samples = v[2], labelled = v[3], seconds = v[4];
    steps = static_cast<uint64_t>(v[5]);
    rate = v[6];
  }
};

}  // namespace halftone

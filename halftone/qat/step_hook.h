// What wants a word at every step of a training without being a guide or a quantizer: dampening and
// freezing of oscillating weights, allocation of bits while training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "halftone/nn/network.h"

namespace halftone {

struct TrainingStep {
  uint64_t step = 0;
  uint64_t total = 1;
  double progress() const { return static_cast<double>(step) / static_cast<double>(total); }
};

class StepHook {
 public:
  virtual ~StepHook() = default;
  // Added to the loss; undefined: nothing.
  virtual at::Tensor loss(const TrainingStep&) { return {}; }
  // Gradients are there, the optimizer's step is not done.
  virtual void after_backward(const TrainingStep&) {}
  virtual void after_step(const TrainingStep&) {}
  // What a checkpoint keeps, by name; restore() takes it back.
  virtual TensorMap state() const { return {}; }
  virtual void restore(const TensorMap&) {}
};

}  // namespace halftone

// What wants a word at every step of a training without being a guide or a quantizer: dampening and
// freezing of oscillating weights, allocation of bits while training.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/nn/network.h"
#include "halftone/qat/schedule.h"

namespace halftone {

class StepHook {
 public:
  virtual ~StepHook() = default;
  // What every quantizer gave in the forward pass, in training alone; see QuantizedRun::watch.
  virtual void watch(SiteKind, const std::string& /*site*/, const at::Tensor& /*value*/,
                     const at::Tensor& /*quantized*/) {}
  // Added to the loss; undefined: nothing.
  virtual at::Tensor loss(const TrainingStep&) { return {}; }
  // Returns tensors that began anew: moments, averages and the best epoch are to forget them.
  virtual std::vector<at::Tensor> after_step(const TrainingStep&) { return {}; }
  // What a checkpoint keeps, by name; restore() takes it back.
  virtual TensorMap state() const { return {}; }
  virtual void restore(const TensorMap&) {}
};

class TrainingNetwork;
// Made when the quantizers begin, and again with every stage of bits.
using MakeStepHook = std::function<std::unique_ptr<StepHook>(TrainingNetwork&)>;

}  // namespace halftone

// LibTorch's optimizers over what a training moves, by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "halftone/nn/network.h"

namespace torch::optim {
class Optimizer;
}

namespace halftone {

struct OptimizerOptions {
  std::string name = "sgd";  // sgd (momentum 0.9, Nesterov), adam, adamw
  double learning_rate = 0.01;
  double momentum = 0.9;
};

// Shared tensors that move alike.
struct TrainedGroup {
  TensorMap tensors;
  double weight_decay = 0;
  double rate = 1;  // times the learning rate
};

class TrainingOptimizer {
 public:
  // The groups' tensors are made to require gradients.
  TrainingOptimizer(const std::vector<TrainedGroup>& groups, const OptimizerOptions& options);
  ~TrainingOptimizer();

  void zero_gradients();
  void step(double rate_factor);
  // Scales gradients so that their norm over everything is at most `most`. Returns the norm; where
  // it is not finite nothing is scaled.
  double clip_gradients(double most);
  // Moments of the tensors that `before` moved too.
  void keep_moments(const TrainingOptimizer& before);
  void forget();  // all moments start anew
  void forget(const std::vector<at::Tensor>& tensors);

  std::string state() const;  // for a checkpoint
  void restore(const std::string& state);

 private:
  OptimizerOptions options_;
  std::vector<double> rates_;  // by group
  std::vector<at::Tensor> tensors_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

// Throws UsageError where there is no optimizer of that name.
void require_optimizer(const std::string& name);

}  // namespace halftone

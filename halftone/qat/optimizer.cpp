#include "halftone/qat/optimizer.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/serialize.h>

#include <cmath>
#include <sstream>

#include "halftone/base/error.h"

namespace halftone {

void require_optimizer(const std::string& name) {
  if (name != "sgd" && name != "adam" && name != "adamw")
    throw UsageError("optimizer '", name, "': it is sgd, adam or adamw");
}

namespace {

std::vector<at::Tensor> trained(const TensorMap& tensors) {
  std::vector<at::Tensor> list;
  for (const auto& [name, tensor] : tensors) list.push_back(tensor.requires_grad_());
  return list;
}

template <typename Optimizer, typename Options>
std::unique_ptr<torch::optim::Optimizer> made(const std::vector<TrainedGroup>& groups,
                                              const Options& options) {
  std::vector<torch::optim::OptimizerParamGroup> made_groups;
  for (const TrainedGroup& group : groups) {
    Options own = options;
    own.weight_decay(group.weight_decay);
    made_groups.emplace_back(trained(group.tensors), std::make_unique<Options>(own));
  }
  return std::make_unique<Optimizer>(made_groups, options);
}

std::unique_ptr<torch::optim::Optimizer> made(const std::vector<TrainedGroup>& groups,
                                              const OptimizerOptions& options) {
  namespace optim = torch::optim;
  require_optimizer(options.name);
  const double rate = options.learning_rate;
  if (options.name == "adam") return made<optim::Adam>(groups, optim::AdamOptions(rate));
  if (options.name == "adamw") return made<optim::AdamW>(groups, optim::AdamWOptions(rate));
  auto sgd = optim::SGDOptions(rate).momentum(options.momentum).nesterov(options.momentum > 0);
  return made<optim::SGD>(groups, sgd);
}

}  // namespace

TrainingOptimizer::TrainingOptimizer(const std::vector<TrainedGroup>& groups,
                                     const OptimizerOptions& options)
    : options_(options), optimizer_(made(groups, options)) {
  for (const TrainedGroup& group : groups) {
    rates_.push_back(group.rate);
    for (const auto& [name, tensor] : group.tensors) tensors_.push_back(tensor);
  }
}

TrainingOptimizer::~TrainingOptimizer() = default;

void TrainingOptimizer::zero_gradients() { optimizer_->zero_grad(); }

void TrainingOptimizer::step(double rate_factor) {
  for (size_t i = 0; i < rates_.size(); ++i)
    optimizer_->param_groups()[i].options().set_lr(options_.learning_rate * rate_factor *
                                                   rates_[i]);
  optimizer_->step();
}

double TrainingOptimizer::clip_gradients(double most) {
  std::vector<at::Tensor> norms{at::zeros({})};
  for (const at::Tensor& tensor : tensors_)
    if (tensor.grad().defined()) norms.push_back(tensor.grad().norm());
  const double norm = at::stack(norms).norm().item<double>();
  return std::isfinite(norm) ? torch::nn::utils::clip_grad_norm_(tensors_, most) : norm;
}

void TrainingOptimizer::keep_moments(const TrainingOptimizer& before) {
  for (const at::Tensor& tensor : tensors_)
    if (const auto found = before.optimizer_->state().find(tensor.unsafeGetTensorImpl());
        found != before.optimizer_->state().end())
      optimizer_->state()[found->first] = found->second->clone();
}

void TrainingOptimizer::forget() { optimizer_->state().clear(); }

void TrainingOptimizer::forget(const std::vector<at::Tensor>& tensors) {
  for (const at::Tensor& tensor : tensors) optimizer_->state().erase(tensor.unsafeGetTensorImpl());
}

std::string TrainingOptimizer::state() const {
  torch::serialize::OutputArchive archive;
  optimizer_->save(archive);
  std::ostringstream stream;
  archive.save_to(stream);
  return stream.str();
}

void TrainingOptimizer::restore(const std::string& state) {
  std::istringstream stream(state);
  torch::serialize::InputArchive archive;
  archive.load_from(stream);
  optimizer_->load(archive);
}

}  // namespace halftone

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
std::unique_ptr<torch::optim::Optimizer> made(const std::vector<at::Tensor>& decayed,
                                              const std::vector<at::Tensor>& spared,
                                              const Options& options, double weight_decay) {
  Options with = options, without = options;
  with.weight_decay(weight_decay);
  without.weight_decay(0);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  if (!decayed.empty()) groups.emplace_back(decayed, std::make_unique<Options>(with));
  if (!spared.empty()) groups.emplace_back(spared, std::make_unique<Options>(without));
  return std::make_unique<Optimizer>(groups, without);
}

std::unique_ptr<torch::optim::Optimizer> made(const std::vector<at::Tensor>& decayed,
                                              const std::vector<at::Tensor>& spared,
                                              const OptimizerOptions& options) {
  namespace optim = torch::optim;
  require_optimizer(options.name);
  const double rate = options.learning_rate, decay = options.weight_decay;
  if (options.name == "adam")
    return made<optim::Adam>(decayed, spared, optim::AdamOptions(rate), decay);
  if (options.name == "adamw")
    return made<optim::AdamW>(decayed, spared, optim::AdamWOptions(rate), decay);
  auto sgd = optim::SGDOptions(rate).momentum(options.momentum).nesterov(options.momentum > 0);
  return made<optim::SGD>(decayed, spared, sgd, decay);
}

}  // namespace

TrainingOptimizer::TrainingOptimizer(const TensorMap& decayed, const TensorMap& spared,
                                     const OptimizerOptions& options)
    : options_(options) {
  const auto first = trained(decayed), second = trained(spared);
  tensors_ = first;
  tensors_.insert(tensors_.end(), second.begin(), second.end());
  optimizer_ = made(first, second, options);
}

TrainingOptimizer::~TrainingOptimizer() = default;

void TrainingOptimizer::zero_gradients() { optimizer_->zero_grad(); }

void TrainingOptimizer::step(double rate_factor) {
  for (auto& group : optimizer_->param_groups())
    group.options().set_lr(options_.learning_rate * rate_factor);
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

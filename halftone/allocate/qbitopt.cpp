#include "halftone/allocate/qbitopt.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "halftone/allocate/trials.h"
#include "halftone/base/units.h"
#include "halftone/data/loader.h"
#include "halftone/nn/tensors.h"
#include "halftone/qat/tensor_bytes.h"
#include "halftone/quant/fake_quantize.h"
#include "halftone/quant/observer.h"
#include "halftone/quant/range_params.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {
namespace {

constexpr int64_t kValuesKept = 16384;  // of an activation, for the noise at each width

// Of the weight at the scales of least error for each width.
std::map<int, double> weight_noise(const at::Tensor& weight, int axis,
                                   const std::vector<int>& widths) {
  const Tensor values = from_torch(weight.detach());
  const auto exact = values.to_vector<float>();
  std::map<int, double> noise;
  for (int bits : widths) {
    const CodeRange range = bits == 1 ? CodeRange{-1, 1} : full_range(bits, true);
    const QuantParams params =
        weight_params(values, axis, bits, range, WeightScale::kMse, "a trained weight");
    const QuantTensor codes = quantize_tensor(values, params, "a trained weight");
    noise[bits] = mean_squared_error(exact, dequantize_tensor(codes).to_vector<float>());
  }
  return noise;
}

// Of activations at the range of least error for each width.
std::map<int, double> activation_noise(const std::vector<float>& values, bool symmetric,
                                       const std::vector<int>& widths) {
  const auto observer = Registry<ObserverKind>::get("mse").make();
  observer->observe(values, min_max(values));
  std::map<int, double> noise;
  for (int bits : widths) {
    const Range range = observer->range({.bits = bits, .is_symmetric = symmetric});
    const QuantParams params =
        range_params(range.low, range.high, bits, full_range(bits, symmetric), symmetric);
    std::vector<float> back(values.size());
    fake_quantize(values, {params.scales[0], params.zero_points[0], params.range}, back.data());
    noise[bits] = mean_squared_error(values, back);
  }
  return noise;
}

// Up to kValuesKept of the values, spread over all.
std::vector<float> part_of(const at::Tensor& values) {
  const at::Tensor flat = values.detach().reshape({-1});
  const int64_t stride = std::max<int64_t>(1, flat.numel() / kValuesKept);
  const at::Tensor part = flat.slice(0, 0, flat.numel(), stride).contiguous();
  return {part.const_data_ptr<float>(), part.const_data_ptr<float>() + part.numel()};
}

}  // namespace

QBitOptHook::QBitOptHook(TrainingNetwork& training, const AllocationSites& sites,
                         const Budget& budget, const QBitOptOptions& options, const Run& run)
    : training_(training),
      sites_(sites),
      budget_(budget),
      options_(options),
      history_(options.history, "the history of bits"),
      run_(run),
      squares_(std::make_shared<std::map<std::string, double>>()) {
  for (const AllocationSite& site : sites_.sites) is_free_[site.name] = !site.is_fixed();
  begin(0);
  set_bits(numbers_below(sites_.sites.size()));
}

// The bits stay; when they are decided again follows from `total`, 0 while nobody knows it: before
// the first step of this process.
void QBitOptHook::begin(uint64_t total) {
  total_ = total;
  const auto steps = static_cast<double>(total);
  const ReallocationOptions options{
      .interval = total
                      ? std::clamp<int64_t>(static_cast<int64_t>(steps / 10), 1, options_.interval)
                      : options_.interval,
      .warm_up = static_cast<int64_t>(steps * options_.warm_up),
      .last = static_cast<int64_t>(steps * (1 - options_.frozen)),
      .momentum = options_.momentum,
      .hysteresis = options_.hysteresis};
  auto next = std::make_unique<Reallocation>(sites_, budget_, options);
  if (bits_) next->restore(bits_->state());
  bits_ = std::move(next);
}

std::vector<at::Tensor> QBitOptHook::set_bits(const std::vector<size_t>& positions) {
  std::vector<at::Tensor> anew;
  for (size_t i : positions) {
    const std::string& site = sites_.sites[i].name;
    const int bits = bits_->bits()[i];
    if (!training_.has_site(site)) continue;  // a skip, where layers begin with 8 bits
    if (training_.bits_of(site) == bits) continue;
    for (const at::Tensor& tensor : training_.set_bits(site, bits)) anew.push_back(tensor);
  }
  return anew;
}

// The loss is a mean over B samples: a sample's gradient is B times a row's, and the mean over
// samples of its square B times the sum over the batch. A weight's gradient is the mean of
// independent samples' gradients: B times its square.
void QBitOptHook::watch(SiteKind kind, const std::string& site, const at::Tensor& value,
                        const at::Tensor& quantized) {
  if (kind == SiteKind::kActivation) batch_ = static_cast<double>(value.size(0));
  const auto free = is_free_.find(site);
  if (free == is_free_.end() || !free->second || !quantized.requires_grad()) return;
  if (kind == SiteKind::kActivation) values_[site] = part_of(value);
  (*squares_)[site] = 0;
  quantized.register_hook([squares = squares_, site](const at::Tensor& gradient) {
    (*squares)[site] += gradient.square().sum().item<double>();
  });
}

std::map<std::string, double> QBitOptHook::squared_gradients() const {
  std::map<std::string, double> result = *squares_;
  for (auto& [site, sum] : result) sum *= batch_;
  return result;
}

std::vector<at::Tensor> QBitOptHook::after_step(const TrainingStep& step) {
  if (total_ != step.total) begin(step.total);
  if (step.step == 0) record(0);
  bits_->observe(squared_gradients());
  if (!bits_->is_due(static_cast<int64_t>(step.step) + 1)) return {};
  std::map<std::string, std::map<int, double>> noise;
  for (const AllocationSite& site : sites_.sites)
    if (!site.is_fixed()) noise[site.name] = noise_of(site);
  const auto changed = bits_->solve(noise);
  tell(step, changed);
  return set_bits(changed);
}

std::map<int, double> QBitOptHook::noise_of(const AllocationSite& site) const {
  const TrainedNetwork& network = training_.network();
  if (site.kind == SiteKind::kActivation)
    return activation_noise(values_.at(site.name),
                            is_symmetric(network.quantizers().activations.at(site.name)->params()),
                            site.widths);
  return weight_noise(network.network().parameters().at(site.name),
                      network.quantizers().weights.at(site.name)->params().axis, site.widths);
}

void QBitOptHook::tell(const TrainingStep& step, const std::vector<size_t>& changed) {
  const BudgetUse use = use_of(sites_, bits_->bits());
  run_.info(text("step ", step.step + 1, ": ", changed.size(), " sites change their bits; weights ",
                 fixed(use.average_weight_bits, 3), " bits on average, activations ",
                 fixed(use.average_activation_bits, 3)));
  record(step.step + 1);
}

// A line of the history: the bits behind so many steps.
void QBitOptHook::record(uint64_t steps) {
  const BudgetUse use = use_of(sites_, bits_->bits());
  nlohmann::ordered_json line{{"step", steps},
                              {"average_weight_bits", use.average_weight_bits},
                              {"average_activation_bits", use.average_activation_bits}};
  for (size_t i = 0; i < sites_.sites.size(); ++i)
    line["bits"][sites_.sites[i].name] = bits_->bits()[i];
  for (const auto& [site, average] : bits_->averages()) line["sensitivities"][site] = average;
  history_.add(line.dump() + "\n");
}

TensorMap QBitOptHook::state() const {
  const Reallocation::State now = bits_->state();
  std::vector<double> bits(now.bits.begin(), now.bits.end());
  TensorMap state{
      {"bits", at::tensor(at::ArrayRef<double>(bits), at::kDouble)},
      {"observed",
       at::tensor({static_cast<double>(now.observed), now.is_solved ? 1.0 : 0.0}, at::kDouble)}};
  for (const auto& [site, sum] : now.sums) state["sum/" + site] = at::full({1}, sum, at::kDouble);
  state["history"] = bytes_tensor(history_.content());
  return state;
}

void QBitOptHook::restore(const TensorMap& state) {
  Reallocation::State then;
  const at::Tensor& bits = state.at("bits");
  for (int64_t i = 0; i < bits.numel(); ++i)
    then.bits.push_back(static_cast<int>(bits.const_data_ptr<double>()[i]));
  const double* observed = state.at("observed").const_data_ptr<double>();
  then.observed = static_cast<int64_t>(observed[0]);
  then.is_solved = observed[1] > 0;
  for (const auto& [name, value] : state)
    if (name.starts_with("sum/")) then.sums[name.substr(4)] = value.item<double>();
  bits_->restore(then);
  history_.restore(tensor_bytes(state.at("history")));
  set_bits(numbers_below(sites_.sites.size()));
}

MakeStepHook qbitopt_hook(const AllocationSites& sites, const Budget& budget,
                          const QBitOptOptions& options, const Run& run) {
  return [=, &run](TrainingNetwork& training) -> std::unique_ptr<StepHook> {
    return std::make_unique<QBitOptHook>(training, sites, budget, options, run);
  };
}

}  // namespace halftone

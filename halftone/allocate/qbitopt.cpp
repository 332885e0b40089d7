#include "halftone/allocate/qbitopt.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "halftone/base/units.h"
#include "halftone/nn/tensors.h"
#include "halftone/quant/fake_quantize.h"
#include "halftone/quant/observer.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {
namespace {

constexpr int64_t kValuesKept = 16384;  // of an activation, for the noise at each width

double mean_squared_difference(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return a.empty() ? 0 : sum / static_cast<double>(a.size());
}

// Of the weight at the scales of least error for the width.
double weight_noise(const at::Tensor& weight, const QuantParams& present, int bits) {
  const Tensor values = from_torch(weight.detach());
  const CodeRange range = bits == 1 ? CodeRange{-1, 1} : full_range(bits, true);
  const QuantParams params =
      weight_params(values, present.axis, bits, range, WeightScale::kMse, "a trained weight");
  const Tensor back = dequantize_tensor(quantize_tensor(values, params, "a trained weight"));
  return mean_squared_difference(values.to_vector<float>(), back.to_vector<float>());
}

// Of activations at the range of least error for the width.
double activation_noise(const at::Tensor& kept, const QuantParams& present, int bits) {
  const std::span<const float> values(kept.const_data_ptr<float>(),
                                      static_cast<size_t>(kept.numel()));
  const auto observer = Registry<ObserverKind>::get("mse").make();
  observer->observe(values, min_max(values));
  const bool is_symmetric = present.range.qmin < 0 && present.zero_points[0] == 0;
  const Range range = observer->range({.bits = bits, .is_symmetric = is_symmetric});
  const CodeRange codes = full_range(bits, is_symmetric);
  const QuantParams params =
      is_symmetric ? QuantParams{{symmetric_scale(std::max(-range.low, range.high), codes)},
                                 {0},
                                 -1,
                                 bits,
                                 codes}
                   : affine_params(range.low, range.high, bits, codes);
  std::vector<float> back(values.size());
  fake_quantize(values, {params.scales[0], params.zero_points[0], params.range}, back.data());
  return mean_squared_difference(values, back);
}

// Up to kValuesKept of the values, spread over all.
at::Tensor part_of(const at::Tensor& values) {
  const at::Tensor flat = values.detach().reshape({-1});
  const int64_t stride = std::max<int64_t>(1, flat.numel() / kValuesKept);
  return flat.slice(0, 0, flat.numel(), stride).contiguous();
}

}  // namespace

QBitOptHook::QBitOptHook(TrainingNetwork& training, const AllocationSites& sites,
                         const Budget& budget, const QBitOptOptions& options, const Run& run)
    : training_(training),
      sites_(sites),
      budget_(budget),
      options_(options),
      run_(run),
      squares_(std::make_shared<std::map<std::string, double>>()) {
  for (const AllocationSite& site : sites_.sites) is_free_[site.name] = !site.is_fixed();
  begin(0);
  std::vector<size_t> all;
  for (size_t i = 0; i < sites_.sites.size(); ++i) all.push_back(i);
  set_bits(all);
}

// total 0: before the first step, when nobody knows it.
void QBitOptHook::begin(uint64_t total) {
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
    if (training_.bits_of(site) == bits) continue;
    for (const at::Tensor& tensor : training_.set_bits(site, bits)) anew.push_back(tensor);
  }
  return anew;
}

// The loss is a mean over B samples: a sample's gradient is B times a row's, and the mean over
// samples of its square B times the sum over the batch. A weight's gradient is the mean of
// independent samples' gradients: B times its square.
void QBitOptHook::watch(bool is_weight, const std::string& site, const at::Tensor& value,
                        const at::Tensor& quantized) {
  if (!is_weight) batch_ = static_cast<double>(value.size(0));
  const auto free = is_free_.find(site);
  if (free == is_free_.end() || !free->second || !quantized.requires_grad()) return;
  if (!is_weight) values_[site] = part_of(value);
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
  if (step.step == 0) begin(step.total);
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
  std::map<int, double> noise;
  const SiteQuantizers& quantizers = training_.network().quantizers();
  for (int bits : site.widths) {
    if (site.kind == SiteKind::kWeight)
      noise[bits] = weight_noise(training_.network().network().parameters().at(site.name),
                                 quantizers.weights.at(site.name)->params(), bits);
    else
      noise[bits] = activation_noise(values_.at(site.name),
                                     quantizers.activations.at(site.name)->params(), bits);
  }
  return noise;
}

void QBitOptHook::tell(const TrainingStep& step, const std::vector<size_t>& changed) {
  const BudgetUse use = use_of(sites_, bits_->bits());
  run_.info(text("step ", step.step + 1, ": ", changed.size(), " sites change their bits; weights ",
                 fixed(use.average_weight_bits, 3), " bits on average, activations ",
                 fixed(use.average_activation_bits, 3)));
  if (options_.history.empty()) return;
  nlohmann::ordered_json line{{"step", step.step + 1},
                              {"average_weight_bits", use.average_weight_bits},
                              {"average_activation_bits", use.average_activation_bits}};
  for (size_t i = 0; i < sites_.sites.size(); ++i)
    line["bits"][sites_.sites[i].name] = bits_->bits()[i];
  for (const auto& [site, average] : bits_->averages()) line["sensitivities"][site] = average;
  std::ofstream file(options_.history, std::ios::app);
  file << line.dump() << "\n";
  if (!file.flush()) throw Error("cannot write the history of bits '", options_.history, "'");
}

TensorMap QBitOptHook::state() const {
  const Reallocation::State now = bits_->state();
  std::vector<double> bits(now.bits.begin(), now.bits.end());
  TensorMap state{
      {"bits", at::tensor(at::ArrayRef<double>(bits), at::kDouble)},
      {"observed",
       at::tensor({static_cast<double>(now.observed), now.is_solved ? 1.0 : 0.0}, at::kDouble)}};
  for (const auto& [site, sum] : now.sums) state["sum/" + site] = at::full({1}, sum, at::kDouble);
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
  std::vector<size_t> all;
  for (size_t i = 0; i < sites_.sites.size(); ++i) all.push_back(i);
  set_bits(all);
}

MakeStepHook qbitopt_hook(const AllocationSites& sites, const Budget& budget,
                          const QBitOptOptions& options, const Run& run) {
  return [=, &run](TrainingNetwork& training) -> std::unique_ptr<StepHook> {
    return std::make_unique<QBitOptHook>(training, sites, budget, options, run);
  };
}

}  // namespace halftone

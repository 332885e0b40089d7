#include "halftone/nn/quantizers/dorefa.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizers/binary.h"
#include "halftone/nn/quantizers/lsq.h"
#include "halftone/nn/quantizers/sign.h"

namespace halftone {
namespace {

class DoReFaWeight : public Quantizer {
 public:
  DoReFaWeight(const QuantizerStart& start, const at::Tensor& weight)
      : params_(start.params), factor_(at::ones({1}, at::kFloat)) {
    const at::NoGradGuard no_gradient;
    const at::Tensor levels = level_codes(weight) / static_cast<double>(steps());
    factor_.fill_((weight * levels).sum() / (levels * levels).sum().clamp_min(1e-12));
  }

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor through = squashed(x) * factor_;
    return level_codes(x) * scales_of(params()) + (through - through.detach());
  }

  std::map<std::string, at::Tensor> state() const override { return {{"factor", factor_}}; }

  QuantParams params() const override {
    QuantParams params = params_;
    params.bits = params_.bits + 1;
    params.range = {-steps(), steps()};
    params.axis = -1;
    params.channels = {};
    params.scales = {factor_.item<float>() / static_cast<float>(steps())};
    params.zero_points = {0};
    return params;
  }

  QuantTensor freeze(const at::Tensor& weight) const override {
    return coded(level_codes(weight), params());
  }

 private:
  int32_t steps() const { return (1 << params_.bits) - 1; }
  // tanh(w) / max|tanh(w)|, in [-1, 1].
  at::Tensor squashed(const at::Tensor& x) const {
    const at::Tensor t = x.tanh();
    return t / t.detach().abs().max().clamp_min(1e-12);
  }
  // 2 round((2^k-1) r) - (2^k-1): odd, no gradient.
  at::Tensor level_codes(const at::Tensor& x) const {
    const at::NoGradGuard no_gradient;
    const double n = steps();
    return ((squashed(x) * 0.5 + 0.5) * n).round() * 2 - n;
  }

  QuantParams params_;
  at::Tensor factor_;
};

// The range that calibration found, as it is: clip and round, straight through.
class FixedActivation : public Quantizer {
 public:
  explicit FixedActivation(const QuantizerStart& start) : params_(start.params) {}
  at::Tensor forward(const at::Tensor& x) override { return fake_quantize(x, params_); }
  QuantParams params() const override { return params_; }

 private:
  QuantParams params_;
};

std::unique_ptr<Quantizer> activation(const QuantizerStart& start) {
  return std::make_unique<FixedActivation>(start);
}

}  // namespace

std::unique_ptr<Quantizer> dorefa_weight(const QuantizerStart& start, const at::Tensor& weight) {
  if (start.params.bits == 1) return binary_weight(start, weight);
  if (start.params.bits > 7 || !start.params.channels.empty()) return lsq_weight(start, weight);
  return std::make_unique<DoReFaWeight>(start, weight);
}

namespace {

HALFTONE_REGISTER(QuantizerKind, "dorefa", "Squashes weights by tanh to fixed levels without a 0",
                  "Zhou et al. 2016, arXiv 1606.06160", dorefa_weight, activation,
                  {.has_uniform_grid = false});

}  // namespace
}  // namespace halftone

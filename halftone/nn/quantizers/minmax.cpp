#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizers/lsq.h"
#include "halftone/nn/quantizers/sign.h"
#include "halftone/quant/range_params.h"

namespace halftone {
namespace {

// The largest magnitude meets the last code, anew at every step.
class MinMaxWeight : public Quantizer {
 public:
  explicit MinMaxWeight(const QuantizerStart& start) { restart(start); }

  void restart(const QuantizerStart& start) override { params_ = start.params; }

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor scales = fitted_scales(x.detach());
    if (params_.bits == 1) return scaled_sign(x, scales, params_.axis, 1);
    return fake_quantize(
        x, scales, {.range = params_.range, .axis = params_.axis, .channels = params_.channels});
  }

  QuantParams params() const override { return params_; }
  QuantParams params_of(const at::Tensor& weight) const override {
    return with_scales(params_, fitted_scales(weight.detach()));
  }

 private:
  at::Tensor fitted_scales(const at::Tensor& x) const {
    const auto axes = axes_but(params_.axis, x.dim());
    const at::Tensor magnitude = params_.bits == 1 ? x.abs().mean(axes) : x.abs().amax(axes);
    at::Tensor last = at::empty({magnitude.numel()}, at::kFloat);
    for (int64_t k = 0; k < last.numel(); ++k)
      last.data_ptr<float>()[k] =
          static_cast<float>(params_.width_at(static_cast<size_t>(k)).range.qmax);
    at::Tensor scales = magnitude.reshape({-1}) / last;
    clamp_scales(scales, std::nullopt);
    return scales;
  }

  QuantParams params_;
};

// The range seen, as a moving average: low and high each keep 0.9 of what they were.
class EmaActivation : public Quantizer {
 public:
  explicit EmaActivation(const QuantizerStart& start) { restart(start); }

  void restart(const QuantizerStart& start) override {
    const at::NoGradGuard no_gradient;
    start_ = start;
    const QuantParams& p = start.params;
    const float z = static_cast<float>(p.zero_points[0]);
    if (!range_.defined()) range_ = at::empty({2}, at::kFloat);
    range_.data_ptr<float>()[0] = (static_cast<float>(p.range.qmin) - z) * p.scales[0];
    range_.data_ptr<float>()[1] = (static_cast<float>(p.range.qmax) - z) * p.scales[0];
  }

  void observe(const at::Tensor& x) override {
    constexpr float kKept = 0.9f;
    // What lies at 0 by the graph (behind a Relu) stays there.
    const bool starts_at_zero = start_.params.zero_points[0] == start_.params.range.qmin;
    float* range = range_.data_ptr<float>();
    const float low = starts_at_zero ? 0 : std::min(0.0f, x.min().item<float>());
    const float high = std::max(0.0f, x.max().item<float>());
    range[0] = kKept * range[0] + (1 - kKept) * low;
    range[1] = kKept * range[1] + (1 - kKept) * high;
  }

  at::Tensor forward(const at::Tensor& x) override { return fake_quantize(x, params()); }

  std::map<std::string, at::Tensor> state() const override { return {{"range", range_}}; }

  QuantParams params() const override {
    const QuantParams& p = start_.params;
    const float low = range_.const_data_ptr<float>()[0], high = range_.const_data_ptr<float>()[1];
    QuantParams now = range_params(low, high, p.bits, p.range, is_symmetric(p));
    if (const auto limit = scale_limit(start_)) now.scales[0] = std::min(now.scales[0], *limit);
    return now;
  }

 private:
  QuantizerStart start_;
  at::Tensor range_;  // low, high
};

std::unique_ptr<Quantizer> weight(const QuantizerStart& start, const at::Tensor&) {
  return std::make_unique<MinMaxWeight>(start);
}
std::unique_ptr<Quantizer> activation(const QuantizerStart& start) {
  return std::make_unique<EmaActivation>(start);
}

HALFTONE_REGISTER(QuantizerKind, "minmax",
                  "The range of the weights as they are, and a moving average of activations'",
                  "Jacob et al. 2018, arXiv 1712.05877", weight, activation,
                  {.ranges = QuantizerRanges::kMinMax});

}  // namespace
}  // namespace halftone

#include "halftone/nn/quantizers/lsq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizers/sign.h"

namespace halftone {

double lsq_factor(double elements, CodeRange range, int32_t zero_point) {
  return 1 / std::sqrt(std::max(1.0, elements) * std::max(1, range.qmax - zero_point));
}

namespace {

// One trained scale a tensor or a channel.
class Lsq : public Quantizer {
 public:
  Lsq(const QuantizerStart& start, bool is_weight) : is_weight_(is_weight) { restart(start); }

  void restart(const QuantizerStart& start) override {
    const at::NoGradGuard no_gradient;
    start_ = start;
    const at::Tensor scales = scales_of(start.params);
    if (!scale_.defined()) scale_ = scales.clone();
    scale_.copy_(scales);
    project();
  }

  at::Tensor forward(const at::Tensor& x) override {
    const QuantParams& p = start_.params;
    const auto sharing = static_cast<double>(is_weight_ || start_.counts_batch ? 1 : x.size(0));
    const double elements = static_cast<double>(x.numel()) / static_cast<double>(scale_.numel());
    const double factor = lsq_factor(elements / sharing, p.range, p.zero_points[0]);
    if (is_weight_ && p.bits == 1) return scaled_sign(x, scale_, p.axis, factor);
    const FakeQuantizeOptions how{.range = p.range,
                                  .axis = p.axis,
                                  .zero_points = p.zero_points,
                                  .channels = p.channels,
                                  .scale_gradient = factor,
                                  .passes_outside = is_weight_ && !start_.clips_gradient};
    return fake_quantize(x, scale_, how);
  }

  std::map<std::string, at::Tensor> parameters() const override { return {{"scale", scale_}}; }
  void project() override { clamp_scales(scale_, scale_limit(start_)); }
  QuantParams params() const override { return with_scales(start_.params, scale_); }

 private:
  QuantizerStart start_;
  bool is_weight_;
  at::Tensor scale_;
};

}  // namespace

std::unique_ptr<Quantizer> lsq_weight(const QuantizerStart& start, const at::Tensor&) {
  return std::make_unique<Lsq>(start, true);
}

std::unique_ptr<Quantizer> lsq_activation(const QuantizerStart& start) {
  return std::make_unique<Lsq>(start, false);
}

namespace {

HALFTONE_REGISTER(QuantizerKind, "lsq", "Trains one step size for each tensor or channel",
                  "Esser et al. 2020, arXiv 1902.08153", lsq_weight, lsq_activation);

}  // namespace
}  // namespace halftone

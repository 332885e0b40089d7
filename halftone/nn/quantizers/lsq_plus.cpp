#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizers/lsq.h"

namespace halftone {
namespace {

// LSQ+ in its integer form: the scale and a real zero point are trained, the zero point is rounded
// to a code when it is used, so that 0 stays exact and the file holds what was trained.
class LsqPlus : public Quantizer {
 public:
  explicit LsqPlus(const QuantizerStart& start) { restart(start); }

  void restart(const QuantizerStart& start) override {
    const at::NoGradGuard no_gradient;
    start_ = start;
    if (!scale_.defined()) {
      scale_ = scales_of(start.params);
      zero_point_ = at::empty_like(scale_);
    }
    scale_.copy_(scales_of(start.params));
    zero_point_.fill_(static_cast<double>(start.params.zero_points[0]));
    project();
  }

  at::Tensor forward(const at::Tensor& x) override {
    const CodeRange range = start_.params.range;
    const double sharing = start_.counts_batch ? 1.0 : static_cast<double>(x.size(0));
    const double elements = static_cast<double>(x.numel()) / sharing;
    return fake_quantize(
        x, scale_, zero_point_,
        {.range = range, .scale_gradient = lsq_factor(elements, range, range.qmin)});
  }

  std::map<std::string, at::Tensor> parameters() const override {
    return {{"scale", scale_}, {"zero_point", zero_point_}};
  }

  void project() override {
    clamp_scales(scale_, scale_limit(start_));
    const at::NoGradGuard no_gradient;
    zero_point_.clamp_(start_.params.range.qmin, start_.params.range.qmax);
  }

  QuantParams params() const override {
    QuantParams params = with_scales(start_.params, scale_);
    params.zero_points = {static_cast<int32_t>(std::nearbyint(zero_point_.item<float>()))};
    return params;
  }

 private:
  QuantizerStart start_;
  at::Tensor scale_, zero_point_;
};

// A range that starts at 0 has its zero point fixed: there is nothing below to be gained.
std::unique_ptr<Quantizer> activation(const QuantizerStart& start) {
  if (has_fixed_zero_point(start.params)) return lsq_activation(start);
  return std::make_unique<LsqPlus>(start);
}

HALFTONE_REGISTER(QuantizerKind, "lsq+",
                  "LSQ, and a trained zero point where activations have negative tails",
                  "Bhalgat et al. 2020, arXiv 2004.09576", lsq_weight, activation);

}  // namespace
}  // namespace halftone

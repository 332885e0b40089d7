#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizers/dorefa.h"

namespace halftone {
namespace {

// clip(x, 0, a) on 2^k levels, a trained: its gradient counts what is clipped and not what is
// rounded (Choi et al. 2018, eq. 3). Where x is negative too, the grid keeps its zero point and is
// clipped at both ends in proportion to a.
class Pact : public Quantizer {
 public:
  explicit Pact(const QuantizerStart& start)
      : start_(start), bound_(at::full({1}, start.params.scales[0] * steps_above(), at::kFloat)) {
    project();
  }

  at::Tensor forward(const at::Tensor& x) override {
    const QuantParams& p = start_.params;
    return fake_quantize(
        x, bound_ / steps_above(),
        {.range = p.range, .zero_points = p.zero_points, .rule = StepGradient::kClipping});
  }

  std::map<std::string, at::Tensor> parameters() const override { return {{"bound", bound_}}; }

  // lambda a^2 with the weights' decay (section 3).
  std::set<std::string> decayed() const override { return {"bound"}; }

  void project() override {
    at::Tensor scale = bound_ / steps_above();
    clamp_scales(scale, scale_limit(start_));
    const at::NoGradGuard no_gradient;
    bound_.copy_(scale * steps_above());
  }

  QuantParams params() const override {
    return with_scales(start_.params, bound_.detach() / steps_above());
  }

 private:
  float steps_above() const {
    return static_cast<float>(std::max(1, start_.params.range.qmax - start_.params.zero_points[0]));
  }

  QuantizerStart start_;
  at::Tensor bound_;
};

std::unique_ptr<Quantizer> activation(const QuantizerStart& start) {
  return std::make_unique<Pact>(start);
}

HALFTONE_REGISTER(QuantizerKind, "pact",
                  "Trains where activations are clipped; weights as DoReFa's",
                  "Choi et al. 2018, arXiv 1805.06085", dorefa_weight, activation,
                  {.has_uniform_grid = false});

}  // namespace
}  // namespace halftone

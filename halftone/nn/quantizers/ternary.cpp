#include <ATen/ATen.h>

#include "halftone/nn/quantizers/lsq.h"
#include "halftone/nn/quantizers/sign.h"

namespace halftone {
namespace {

// Weights below 0.7 of the mean magnitude become 0, the others plus or minus the mean magnitude of
// what is left (Li et al. 2016, eq. 4 to 6), over a channel or the tensor.
class TernaryWeight : public Quantizer {
 public:
  explicit TernaryWeight(const QuantizerStart& start) : params_(start.params) {
    params_.range = {-1, 1};
  }

  at::Tensor forward(const at::Tensor& x) override {
    const Levels levels = levels_of(x.detach());
    const at::Tensor y = levels.codes * along(levels.scales, params_.axis, x.dim());
    return y + (x - x.detach());
  }

  QuantParams params() const override { return params_; }
  QuantParams params_of(const at::Tensor& weight) const override {
    return with_scales(params_, levels_of(weight.detach()).scales);
  }
  QuantTensor freeze(const at::Tensor& weight) const override {
    const Levels levels = levels_of(weight.detach());
    return coded(levels.codes, with_scales(params_, levels.scales));
  }

 private:
  struct Levels {
    at::Tensor codes, scales;
  };
  Levels levels_of(const at::Tensor& x) const {
    const auto axes = axes_but(params_.axis, x.dim());
    const at::Tensor size = x.abs();
    const at::Tensor stays = (size > size.mean(axes, true) * 0.7).to(at::kFloat);
    at::Tensor scales = (size * stays).sum(axes).div(stays.sum(axes).clamp_min(1)).reshape({-1});
    clamp_scales(scales, std::nullopt);
    return {x.sign() * stays, scales};
  }

  QuantParams params_;
};

std::unique_ptr<Quantizer> weight(const QuantizerStart& start, const at::Tensor& w) {
  if (start.params.bits != 2) return lsq_weight(start, w);
  return std::make_unique<TernaryWeight>(start);
}

HALFTONE_REGISTER(QuantizerKind, "ternary",
                  "Weights of 2 bits as -1, 0, 1 times a scale; activations by LSQ",
                  "Li et al. 2016, arXiv 1605.04711", weight, lsq_activation,
                  {.has_uniform_grid = false, .most_weight_bits = 2});

}  // namespace
}  // namespace halftone

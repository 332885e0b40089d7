#include "halftone/nn/quantizers/binary.h"

#include <ATen/ATen.h>

#include "halftone/nn/quantizers/lsq.h"
#include "halftone/nn/quantizers/sign.h"

namespace halftone {
namespace {

class BinaryWeight : public Quantizer {
 public:
  explicit BinaryWeight(const QuantizerStart& start) : params_(start.params) {}

  at::Tensor forward(const at::Tensor& x) override {
    const at::Tensor y = sign_of(x) * along(magnitudes(x), params_.axis, x.dim());
    return y + (x - x.detach());
  }

  QuantParams params() const override { return params_; }
  QuantParams params_of(const at::Tensor& weight) const override {
    return with_scales(params_, magnitudes(weight));
  }

 private:
  at::Tensor magnitudes(const at::Tensor& x) const {
    at::Tensor mean = x.detach().abs().mean(axes_but(params_.axis, x.dim())).reshape({-1});
    clamp_scales(mean, std::nullopt);
    return mean;
  }

  QuantParams params_;
};

}  // namespace

std::unique_ptr<Quantizer> binary_weight(const QuantizerStart& start, const at::Tensor& weight) {
  if (start.params.bits != 1) return lsq_weight(start, weight);
  return std::make_unique<BinaryWeight>(start);
}

namespace {

HALFTONE_REGISTER(QuantizerKind, "binary",
                  "Weights of 1 bit by their sign and mean magnitude; activations by LSQ",
                  "Rastegari et al. 2016, arXiv 1603.05279", binary_weight, lsq_activation,
                  {.has_uniform_grid = false, .most_weight_bits = 1});

}  // namespace
}  // namespace halftone

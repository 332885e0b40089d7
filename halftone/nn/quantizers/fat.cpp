#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "halftone/nn/fake_quantize.h"
#include "halftone/nn/quantizer.h"
#include "halftone/nn/quantizers/element_factors.h"
#include "halftone/nn/quantizers/sign.h"

namespace halftone {
namespace {

// How far a factor may go (Goncharenko et al. 2018): clipping further helps below 5 bits, where the
// best range is narrow.
struct FactorRange {
  double least, most;
};
FactorRange factor_range(int bits, bool is_symmetric) {
  if (bits <= 4) return {0.2, is_symmetric ? 1.2 : 1.3};
  return {0.5, is_symmetric ? 1.0 : 1.3};
}

at::Tensor within(const at::Tensor& x, double least, double most) { return x.clamp(least, most); }

// Thresholds of a weight times trained factors alpha, one a tensor or channel: T = clip(alpha)
// T_max, s = T / qmax. With trains_elements every weight is multiplied by a factor of its own too.
class FatWeight : public Quantizer {
 public:
  FatWeight(const QuantizerStart& start, const at::Tensor& weight) {
    restart(start);
    if (start.trains_elements) elements_ = at::ones_like(weight);
  }

  void restart(const QuantizerStart& start) override {
    start_ = start;
    scales_ = scales_of(start.params);
    const at::NoGradGuard no_gradient;
    if (!alpha_.defined()) alpha_ = at::empty_like(scales_);
    alpha_.fill_(1);
  }

  at::Tensor forward(const at::Tensor& x) override {
    const QuantParams& p = start_.params;
    if (p.bits == 1) return scaled_sign(factored(x), scales(), p.axis, 1);
    return fake_quantize(factored(x), scales(),
                         {.range = p.range, .axis = p.axis, .channels = p.channels});
  }

  std::map<std::string, at::Tensor> parameters() const override {
    if (!elements_.defined()) return {{"alpha", alpha_}};
    return {{"alpha", alpha_}, {"elements", elements_}};
  }
  std::map<std::string, at::Tensor> state() const override {
    auto state = parameters();
    state["scales"] = scales_;
    return state;
  }

  void project() override {
    const at::NoGradGuard no_gradient;
    const FactorRange range = factor_range(start_.params.bits, true);
    alpha_.clamp_(range.least, range.most);
    if (elements_.defined()) clamp_factors(elements_);
  }

  QuantParams params() const override { return with_scales(start_.params, scales()); }
  QuantTensor freeze(const at::Tensor& weight) const override {
    return quantize_tensor(weight_values(factored(weight)), params(), "a trained weight");
  }

 private:
  at::Tensor scales() const {
    const FactorRange range = factor_range(start_.params.bits, true);
    return within(alpha_, range.least, range.most) * scales_;
  }
  at::Tensor factored(const at::Tensor& x) const {
    return elements_.defined() ? with_factors(x, elements_) : x;
  }

  QuantizerStart start_;
  at::Tensor scales_, alpha_, elements_;
};

// A range [T_l, T_l + R] of an activation: its width times alpha, its left edge moved by beta R. A
// range that starts at 0 (behind a Relu) keeps its edge. Zero stays a code: the edge is rounded to
// one. Symmetric: [-T, T] around the middle code, T times alpha, and no beta.
class FatActivation : public Quantizer {
 public:
  explicit FatActivation(const QuantizerStart& start) { restart(start); }

  void restart(const QuantizerStart& start) override {
    start_ = start;
    is_fixed_ = start.is_symmetric || has_fixed_zero_point(start.params);
    if (start.is_symmetric && !has_fixed_zero_point(start.params)) balance(start_.params);
    const QuantParams& p = start_.params;
    const float scale = p.scales[0];
    range_ = at::tensor({static_cast<float>(p.range.qmin - p.zero_points[0]) * scale,
                         static_cast<float>(p.range.qmax - p.range.qmin) * scale});
    const at::NoGradGuard no_gradient;
    if (!alpha_.defined()) alpha_ = at::empty({1}, at::kFloat);
    if (!beta_.defined()) beta_ = at::empty({1}, at::kFloat);
    alpha_.fill_(1);
    beta_.fill_(0);
  }

  at::Tensor forward(const at::Tensor& x) override {
    const Edges e = edges();
    if (is_fixed_) return fake_quantize(x, e.scale, how());
    return fake_quantize(x, e.scale, e.zero_point, how());
  }

  std::map<std::string, at::Tensor> parameters() const override {
    if (is_fixed_) return {{"alpha", alpha_}};
    return {{"alpha", alpha_}, {"beta", beta_}};
  }
  std::map<std::string, at::Tensor> state() const override {
    auto state = parameters();
    state["range"] = range_;
    return state;
  }

  void project() override {
    const at::NoGradGuard no_gradient;
    const FactorRange range = factor_range(start_.params.bits, start_.is_symmetric);
    alpha_.clamp_(range.least, range.most);
    beta_.clamp_(kLeastShift, kMostShift);
  }

  QuantParams params() const override {
    const Edges e = edges();
    QuantParams params = with_scales(start_.params, e.scale);
    if (!is_fixed_)
      params.zero_points = {
          std::clamp(static_cast<int32_t>(std::nearbyint(e.zero_point.item<float>())),
                     params.range.qmin, params.range.qmax)};
    return params;
  }

 private:
  static constexpr double kLeastShift = -0.2, kMostShift = 0.4;
  struct Edges {
    at::Tensor scale, zero_point;
  };

  // The larger side of the range on both sides of the middle code.
  static void balance(QuantParams& p) {
    const int32_t below = p.zero_points[0] - p.range.qmin, above = p.range.qmax - p.zero_points[0];
    const float largest = static_cast<float>(std::max(below, above)) * p.scales[0];
    p.zero_points = {p.range.qmin + (p.range.qmax - p.range.qmin + 1) / 2};
    p.scales = {largest / static_cast<float>(p.range.qmax - p.zero_points[0])};
  }

  FakeQuantizeOptions how() const {
    return {.range = start_.params.range, .zero_points = start_.params.zero_points};
  }
  Edges edges() const {
    const CodeRange range = start_.params.range;
    const FactorRange factors = factor_range(start_.params.bits, start_.is_symmetric);
    const float* first = range_.const_data_ptr<float>();
    const at::Tensor width = within(alpha_, factors.least, factors.most) * first[1];
    at::Tensor scale = width / static_cast<double>(range.qmax - range.qmin);
    if (const auto limit = scale_limit(start_))
      scale = scale.clamp_max(static_cast<double>(*limit));
    if (is_fixed_) return {scale, at::Tensor()};
    // The edge stays at or below 0 and the right one at or above it, else 0 is no code.
    const at::Tensor moved = first[0] + within(beta_, kLeastShift, kMostShift) * first[1];
    const at::Tensor edge = at::minimum(at::maximum(moved, -width), at::zeros_like(moved));
    return {scale, -edge / scale + static_cast<double>(range.qmin)};
  }

  QuantizerStart start_;
  bool is_fixed_ = false;  // the zero point is not trained
  at::Tensor range_;       // left edge and width that the factors multiply
  at::Tensor alpha_, beta_;
};

std::unique_ptr<Quantizer> weight(const QuantizerStart& start, const at::Tensor& w) {
  return std::make_unique<FatWeight>(start, w);
}
std::unique_ptr<Quantizer> activation(const QuantizerStart& start) {
  return std::make_unique<FatActivation>(start);
}

HALFTONE_REGISTER(QuantizerKind, "fat",
                  "Trains factors of the thresholds alone, on unlabelled data; weights stay",
                  "Goncharenko et al. 2018, arXiv 1812.07872", weight, activation,
                  {.trains_network = false,
                   .folds_batch_norm = true,
                   .optimizer = "adam",
                   .learning_rate = 1e-3,
                   .schedule = "saw-tooth",
                   .guide = "rmse",
                   .ranges = QuantizerRanges::kMinMax,
                   .narrow_ranges = QuantizerRanges::kLeastError});

}  // namespace
}  // namespace halftone

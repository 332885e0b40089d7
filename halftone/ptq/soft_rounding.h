// AdaRound (Nagel et al. 2020, arXiv 2004.10568): whether each weight rounds up or down is learned.
//
//   SoftRounding rounding(weight, nearest.params);
//   at::Tensor soft = rounding.soft_weight();  // differentiable in rounding.variable()
//   (loss + 0.01 * rounding.regularizer(beta)).backward();
//   QuantTensor learned = rounding.hard();
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "halftone/quant/quant_tensor.h"

namespace halftone {

class SoftRounding {
 public:
  // weight: float32. params: of its quantization; scales and zero points stay as they are, codes
  // within each channel's own range.
  SoftRounding(const Tensor& weight, const QuantParams& params);

  // V, [shape of the weight], requires a gradient. At first soft_weight() equals the weight where
  // it does not saturate.
  const at::Tensor& variable() const { return variable_; }
  // s * clamp(floor(W/s) + h(V), qmin - z, qmax - z), eq. 22, with h(V) = clamp(1.2 sigmoid(V) -
  // 0.1, 0, 1), eq. 23.
  at::Tensor soft_weight() const;
  // sum (1 - |2 h(V) - 1|^beta), eq. 24: 0 where every h is 0 or 1.
  at::Tensor regularizer(double beta) const;
  // Codes with h rounded to 0 or 1.
  QuantTensor hard() const;
  // The share of h within 0.01 of 0 or 1.
  double converged_share() const;

 private:
  at::Tensor rounding_up() const;  // h(V)

  Shape shape_;
  QuantParams params_;
  // Broadcast over the weight: scales, and the ends of the codes without zero point.
  at::Tensor scale_, low_, high_;
  at::Tensor floor_;  // floor(W/s)
  at::Tensor variable_;
};

// The exponent beta at `step` of `steps`: none (nullopt) in the first `warm_up` share, then from 20
// to 2 in a straight line.
std::optional<double> rounding_exponent(int step, int steps, double warm_up = 0.2);

}  // namespace halftone

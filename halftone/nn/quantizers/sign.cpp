#include "halftone/nn/quantizers/sign.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace halftone {

at::Tensor sign_of(const at::Tensor& x) {
  const at::NoGradGuard no_gradient;
  return at::where(x >= 0, at::ones({}, x.options()), -at::ones({}, x.options()));
}

at::Tensor along(const at::Tensor& values, int axis, int64_t dims) {
  if (axis < 0) return values;
  std::vector<int64_t> shape(static_cast<size_t>(dims), 1);
  shape[static_cast<size_t>(axis)] = values.numel();
  return values.view(shape);
}

std::vector<int64_t> axes_but(int axis, int64_t dims) {
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < dims; ++i)
    if (i != axis) axes.push_back(i);
  return axes;
}

at::Tensor scaled_sign(const at::Tensor& x, const at::Tensor& scale, int axis,
                       double scale_gradient) {
  // The value is scale's own, its gradient `scale_gradient` times as large.
  const at::Tensor part = scale * scale_gradient;
  const at::Tensor s = along(scale.detach() + (part - part.detach()), axis, x.dim());
  const at::Tensor steps = (x / s).clamp(-1, 1);
  const at::Tensor rounded = sign_of(x) + (steps - steps.detach());
  return rounded * s;
}

}  // namespace halftone

#include "halftone/nn/ops/constant_pad.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace halftone {

at::Tensor constant_pad(const at::Tensor& x, const std::vector<int64_t>& pads,
                        const at::Scalar& value) {
  const bool cuts = std::ranges::any_of(pads, [](int64_t pad) { return pad < 0; });
  if (cuts || at::GradMode::is_enabled()) return at::constant_pad_nd(x, pads, value);
  const auto padded_axes = static_cast<int64_t>(pads.size()) / 2;
  std::vector<int64_t> shape = x.sizes().vec();
  for (int64_t i = 0; i < padded_axes; ++i)
    shape[static_cast<size_t>(x.dim() - 1 - i)] +=
        pads[static_cast<size_t>(2 * i)] + pads[static_cast<size_t>(2 * i + 1)];
  at::Tensor y = at::empty(shape, x.options().memory_format(x.suggest_memory_format()));
  at::Tensor inner = y;  // what is within the frame of the axes so far
  for (int64_t i = 0; i < padded_axes; ++i) {
    const int64_t axis = x.dim() - 1 - i, begin = pads[static_cast<size_t>(2 * i)];
    inner.narrow(axis, 0, begin).fill_(value);
    const int64_t after = begin + x.size(axis);
    inner.narrow(axis, after, inner.size(axis) - after).fill_(value);
    inner = inner.narrow(axis, begin, x.size(axis));
  }
  inner.copy_(x);
  return y;
}

}  // namespace halftone

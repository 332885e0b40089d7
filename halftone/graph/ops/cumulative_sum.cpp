// CumSum.
#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

Tensors cumulative_sum(const KernelInputs& in) {
  const Tensor& x = in[0];
  const size_t axis = normalized_axis(in[1].item<int64_t>(), x.rank());
  const bool leaves_self_out = in.node.int_or("exclusive", 0),
             is_reverse = in.node.int_or("reverse", 0);
  return {in_domain_of(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> y = x.to_vector<T>();
    const Lanes<T> lanes = lanes_of(y, x.shape(), {axis});
    const auto length = static_cast<size_t>(lanes.length);
    for (size_t start = 0; start < y.size(); start += length) {
      T sum{0};
      for (size_t k = 0; k < length; ++k) {
        const size_t i = start + (is_reverse ? length - 1 - k : k);
        const T with_self = wrapping_add(sum, lanes.values[i]);
        y[static_cast<size_t>(lanes.at[i])] = leaves_self_out ? sum : with_self;
        sum = with_self;
      }
    }
    return stored(x.dtype(), x.shape(), y);
  })};
}

HALFTONE_REGISTER(GraphOp, "CumSum", same_type_as_input, cumulative_sum);

}  // namespace
}  // namespace halftone

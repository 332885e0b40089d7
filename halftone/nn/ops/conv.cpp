#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/matmul.h>

#include "halftone/nn/op.h"
#include "halftone/nn/ops/window.h"

namespace halftone {
namespace {

// [N, C, spatial...] * [O, C/groups, kernel...] -> [N, O, spatial...]; 1, 2 or 3 spatial axes.
std::vector<at::Tensor> conv(const NnInputs& in) {
  at::Tensor x = in[0];
  const at::Tensor& weight = in[1];
  if (x.dim() < 3 || weight.dim() != x.dim()) throw Error("the input and the weight must have the same rank, 3 to 5");
  const Window window = read_window(in.node, x.sizes().slice(2).vec(), weight.sizes().slice(2).vec());
  std::vector<int64_t> padding = window.begin;
  if (!window.is_symmetric()) {
    x = at::constant_pad_nd(x, window.reversed_pads(), 0);
    padding.assign(padding.size(), 0);
  }
  const std::vector<int64_t> no_output_padding(padding.size(), 0);
  return {at::convolution(x, weight, in.has(2) ? std::optional<at::Tensor>(in[2]) : std::nullopt, window.strides,
                          padding, window.dilations, false, no_output_padding, in.node.int_or("group", 1))};
}

HALFTONE_REGISTER(NnOp, "Conv", conv);

}  // namespace
}  // namespace halftone

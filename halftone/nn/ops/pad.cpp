#include <ATen/ATen.h>

#include "halftone/nn/op.h"

namespace halftone {
namespace {

// Pads of every axis as at::constant_pad_nd takes them: last axis first, begin and end.
std::vector<int64_t> reversed_pads(const NnInputs& in) {
  const auto pads = in.ints(1);
  const int64_t rank = in[0].dim();
  std::vector<int64_t> axes;
  if (in.has(3)) axes = in.ints(3);
  else for (int64_t axis = 0; axis < rank; ++axis) axes.push_back(axis);
  if (pads.size() != 2 * axes.size()) throw Error(pads.size(), " pads for ", axes.size(), " axes");
  std::vector<int64_t> result(static_cast<size_t>(2 * rank), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) throw Error("axis ", axes[i], " is out of range");
    result[static_cast<size_t>(2 * (rank - 1 - axis))] = pads[i];
    result[static_cast<size_t>(2 * (rank - 1 - axis) + 1)] = pads[i + axes.size()];
  }
  return result;
}

std::vector<at::Tensor> pad(const NnInputs& in) {
  const std::string mode = in.node.string_or("mode", "constant");
  if (mode != "constant") throw Error("mode '", mode, "' is not supported");
  const at::Scalar value = in.has(2) ? in[2].item() : at::Scalar(0);
  return {at::constant_pad_nd(in[0], reversed_pads(in), value)};
}

HALFTONE_REGISTER(NnOp, "Pad", pad);

}  // namespace
}  // namespace halftone

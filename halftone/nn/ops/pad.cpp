// Pad: constant, reflect, edge and wrap; negative pads cut off.
#include "halftone/graph/ops/pad.h"

#include <ATen/ATen.h>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/constant_pad.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

at::Tensor padded_by_constant(const NnInputs& in, const std::vector<int64_t>& pads) {
  std::vector<int64_t> reversed;  // last axis first, begin and end
  const size_t rank = pads.size() / 2;
  for (size_t i = rank; i-- > 0;) {
    reversed.push_back(pads[i]);
    reversed.push_back(pads[i + rank]);
  }
  const at::Scalar value = in.has(2) ? in[2].item() : at::Scalar(in.node.float_or("value", 0));
  return constant_pad(in[0], reversed, value);
}

// One axis read at other positions.
at::Tensor padded_axis(const at::Tensor& x, int64_t axis, int64_t begin, int64_t end,
                       const std::string& mode) {
  if (begin == 0 && end == 0) return x;
  const int64_t size = x.size(axis);
  std::vector<int64_t> at;
  for (int64_t i = -begin; i < size + end; ++i) at.push_back(source_position(i, size, mode));
  const at::Tensor positions = at::tensor(at, at::TensorOptions(at::kLong)).to(x.device());
  return at::index_select(x, axis, positions);
}

NnOutputs pad(const NnInputs& in) {
  const std::string mode = in.node.string_or("mode", "constant");
  const auto axes = ints_argument(in, 3, "axes");
  const auto rank = static_cast<size_t>(in[0].dim());
  const auto given = ints_argument(in, 1, "pads");
  const auto pads = all_pads({given.has_value(), given}, {axes.has_value(), axes}, rank).value();
  if (mode == "constant") return {padded_by_constant(in, pads)};
  at::Tensor y = in[0];
  for (size_t i = 0; i < rank; ++i)
    y = padded_axis(y, static_cast<int64_t>(i), pads[i], pads[i + rank], mode);
  return {y};
}

HALFTONE_REGISTER(NnOp, "Pad", or_reference<pad>);

}  // namespace
}  // namespace halftone

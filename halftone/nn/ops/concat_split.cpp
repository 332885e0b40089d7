#include <ATen/ATen.h>

#include <algorithm>

#include "halftone/nn/ops/arguments.h"

namespace halftone {
namespace {

NnOutputs concat(const NnInputs& in) {
  return {at::cat(at::TensorList(in.values.data(), in.values.size()),
                  axis_of(in.node, 0, in[0].dim()))};
}

// Equal parts, of which the last may be smaller.
std::vector<int64_t> equal_parts(int64_t whole, int64_t parts) {
  const int64_t size = (whole + parts - 1) / parts;
  std::vector<int64_t> result;
  for (int64_t i = 0; i < parts; ++i)
    result.push_back(std::clamp<int64_t>(whole - i * size, 0, size));
  return result;
}

NnOutputs split(const NnInputs& in) {
  const int64_t axis = axis_of(in.node, 0, in[0].dim());
  const auto parts = static_cast<int64_t>(in.node.outputs.size());
  const auto given = ints_argument(in, 1, "split");
  return at::split_with_sizes(in[0], given ? *given : equal_parts(in[0].size(axis), parts), axis);
}

HALFTONE_REGISTER(NnOp, "Concat", concat);
HALFTONE_REGISTER(NnOp, "Split", split);

}  // namespace
}  // namespace halftone

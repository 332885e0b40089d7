// Pad: constant, reflect, edge and wrap; negative pads cut off.
#include "halftone/graph/ops/pad.h"

#include "halftone/graph/ops/strided.h"
#include "halftone/graph/ops/tensor_builder.h"

namespace halftone {
namespace {

int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

}  // namespace

std::optional<std::vector<int64_t>> all_pads(const IntsArgument& pads, const IntsArgument& axes,
                                             size_t rank) {
  if (!pads.is_given) throw Error("pads are missing");
  if (!pads.values || (axes.is_given && !axes.values)) return std::nullopt;
  std::vector<size_t> padded;
  if (axes.is_given) {
    normalized_axes(*axes.values, static_cast<int64_t>(rank));
    for (int64_t axis : *axes.values)
      padded.push_back(normalized_axis(axis, static_cast<int64_t>(rank)));
  } else {
    for (size_t i = 0; i < rank; ++i) padded.push_back(i);
  }
  if (pads.values->size() != 2 * padded.size())
    throw Error("pads has ", pads.values->size(), " values for ", padded.size(), " axes");
  std::vector<int64_t> result(2 * rank, 0);
  for (size_t i = 0; i < padded.size(); ++i) {
    result[padded[i]] = (*pads.values)[i];
    result[padded[i] + rank] = (*pads.values)[i + padded.size()];
  }
  for (int64_t pad : result)
    if (pad < -kMostElements || pad > kMostElements)
      throw Error("a pad of ", pad, " is out of range");
  return result;
}

int64_t source_position(int64_t at, int64_t size, const std::string& mode) {
  if (at >= 0 && at < size) return at;
  if (mode == "constant") return -1;
  if (size == 0) throw Error("an empty axis cannot be padded by ", mode);
  if (mode == "edge") return at < 0 ? 0 : size - 1;
  if (mode == "wrap") return modulo(at, size);
  if (mode != "reflect")
    throw Error("mode is '", mode, "'; known are constant, reflect, edge, wrap");
  if (size == 1) return 0;
  const int64_t folded = modulo(at, 2 * size - 2);
  return folded < size ? folded : 2 * size - 2 - folded;
}

namespace {

void infer(InferenceContext& context) {
  const ValueType& x = context.input(0);
  if (!x.shape) return context.set_output(0, x.dtype, std::nullopt);
  const size_t rank = x.shape->size();
  const auto pads =
      all_pads(ints_argument(context, 1, "pads"), ints_argument(context, 3, "axes"), rank);
  SymbolicShape shape = unknown_shape(static_cast<int64_t>(rank));
  for (size_t i = 0; pads && i < rank; ++i) {
    const int64_t total = (*pads)[i] + (*pads)[i + rank];
    const Dim& dim = (*x.shape)[i];
    if (dim.known() && dim.value + total < 0)
      throw Error("pads ", (*pads)[i], " and ", (*pads)[i + rank], " cut off more than ",
                  to_string(*x.shape), " has");
    shape[i] = dim.known() ? Dim::of(dim.value + total) : total == 0 ? dim : Dim{};
  }
  context.set_output(0, x.dtype, std::move(shape));
}

Tensors pad(const KernelInputs& in) {
  const Tensor& x = in[0];
  const TensorType type = output_type(in, infer);
  const auto axes = ints_argument(in, 3, "axes");
  const auto pads =
      *all_pads({true, ints_argument(in, 1, "pads")}, {axes.has_value(), axes}, x.shape().size());
  const std::string mode = in.node.string_or("mode", "constant");
  const std::vector<int64_t> strides = strides_of(x.shape());
  std::vector<int64_t> at(static_cast<size_t>(element_count(type.shape)));
  if (at.empty()) return {picked(x, type.shape, at)};
  std::vector<int64_t> coordinate(type.shape.size(), 0);
  for (int64_t& position : at) {
    for (size_t i = 0; i < coordinate.size() && position >= 0; ++i) {
      const int64_t source = source_position(coordinate[i] - pads[i], x.shape()[i], mode);
      position = source < 0 ? -1 : position + source * strides[i];
    }
    advance(coordinate, type.shape);
  }
  const bool has_fill = in.has(2);
  if (has_fill && in[2].count() != 1)
    throw Error("the constant has shape ", to_string(in[2].shape()));
  const Tensor from_attribute = Tensor::scalar(in.node.float_or("value", 0));
  const Tensor* fill = has_fill ? &in[2] : x.dtype() == DType::kFloat ? &from_attribute : nullptr;
  return {picked(x, type.shape, at, fill)};
}

HALFTONE_REGISTER(GraphOp, "Pad", infer, pad);

}  // namespace
}  // namespace halftone

// Gather, GatherElements, GatherND, ScatterElements (and Scatter, its old name), ScatterND.
#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "halftone/nn/ops/arguments.h"
#include "halftone/nn/ops/reference.h"

namespace halftone {
namespace {

// Negative indices count from the end.
at::Tensor from_front(const at::Tensor& indices, int64_t size) {
  const at::Tensor wide = indices.to(at::kLong);
  return at::where(wide.lt(0), wide + size, wide);
}

NnOutputs gather(const NnInputs& in) {
  const at::Tensor &data = in[0], &indices = in[1];
  const int64_t axis = axis_of(in.node, 0, data.dim());
  std::vector<int64_t> shape = data.sizes().vec();
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, indices.sizes().begin(), indices.sizes().end());
  const at::Tensor flat = from_front(indices, data.size(axis)).reshape({-1});
  return {at::index_select(data, axis, flat).reshape(shape)};
}

NnOutputs gather_elements(const NnInputs& in) {
  const int64_t axis = axis_of(in.node, 0, in[0].dim());
  return {at::gather(in[0], axis, from_front(in[1], in[0].size(axis)))};
}

// Row-major positions of [..., depth] coordinates in a block of these sizes: [...]. Throws Error
// where one is out of range.
at::Tensor positions_of(const at::Tensor& coordinates, at::IntArrayRef sizes) {
  at::Tensor result = at::zeros(coordinates.sizes().slice(0, coordinates.sizes().size() - 1),
                                coordinates.options().dtype(at::kLong));
  for (size_t i = 0; i < sizes.size(); ++i) {
    const at::Tensor index = from_front(coordinates.select(-1, static_cast<int64_t>(i)), sizes[i]);
    if (at::logical_or(index.lt(0), index.ge(sizes[i])).any().item<bool>())
      throw Error("an index is out of range for a dimension of ", sizes[i]);
    result = result * sizes[i] + index;
  }
  return result;
}

// Coordinates that an index gives. Throws Error where `data` behind `batch` axes has fewer.
size_t depth_of(const at::Tensor& data, const at::Tensor& indices, int64_t batch) {
  const int64_t depth = indices.dim() > 0 ? indices.size(-1) : 0;
  if (batch < 0 || batch >= std::max<int64_t>(1, indices.dim()) || depth < 1 ||
      depth > data.dim() - batch)
    throw Error("indices of shape ", to_string(indices.sizes().vec()), " with batch_dims ", batch,
                " do not fit data of ", to_string(data.sizes().vec()));
  return static_cast<size_t>(depth);
}

NnOutputs gather_nd(const NnInputs& in) {
  const at::Tensor &data = in[0], &indices = in[1];
  const auto batch = static_cast<size_t>(in.node.int_or("batch_dims", 0));
  const size_t depth = depth_of(data, indices, static_cast<int64_t>(batch));
  const auto inner = data.sizes().slice(batch + depth);
  std::vector<int64_t> shape = indices.sizes().slice(0, indices.sizes().size() - 1).vec();
  shape.insert(shape.end(), inner.begin(), inner.end());
  at::Tensor positions = positions_of(indices, data.sizes().slice(batch, depth));
  const at::Tensor rows = data.flatten(0, static_cast<int64_t>(batch + depth) - 1);
  if (batch > 0) {
    positions = positions.flatten(0, static_cast<int64_t>(batch) - 1);
    const int64_t batches = positions.size(0);
    const at::Tensor starts = at::arange(batches, positions.options()) * (rows.size(0) / batches);
    positions = positions.reshape({batches, -1}) + starts.unsqueeze(-1);
  }
  return {at::index_select(rows, 0, positions.reshape({-1})).reshape(shape)};
}

// LibTorch's name of a reduction, "" for none.
std::string reduction_of(const Node& node) {
  static const std::map<std::string, std::string> kNames{
      {"none", ""}, {"add", "sum"}, {"mul", "prod"}, {"max", "amax"}, {"min", "amin"}};
  const auto found = kNames.find(node.string_or("reduction", "none"));
  if (found == kNames.end())
    throw Error("reduction is '", node.string_or("reduction", "none"),
                "'; known are none, add, mul, max, min");
  return found->second;
}

NnOutputs scatter_elements(const NnInputs& in) {
  const int64_t axis = axis_of(in.node, 0, in[0].dim());
  const at::Tensor indices = from_front(in[1], in[0].size(axis));
  const std::string reduction = reduction_of(in.node);
  if (reduction.empty()) return {at::scatter(in[0], axis, indices, in[2])};
  return {at::scatter_reduce(in[0], axis, indices, in[2], reduction, /*include_self=*/true)};
}

NnOutputs scatter_nd(const NnInputs& in) {
  const at::Tensor& data = in[0];
  const size_t depth = depth_of(data, in[1], 0);
  const at::Tensor to = positions_of(in[1], data.sizes().slice(0, depth)).reshape({-1});
  const at::Tensor rows = data.flatten(0, static_cast<int64_t>(depth) - 1);
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = to.numel();
  const at::Tensor updates = in[2].reshape(shape);
  const std::string reduction = reduction_of(in.node);
  const at::Tensor y = reduction.empty()    ? at::index_copy(rows, 0, to, updates)
                       : reduction == "sum" ? at::index_add(rows, 0, to, updates)
                                            : at::index_reduce(rows, 0, to, updates, reduction);
  return {y.reshape(data.sizes())};
}

HALFTONE_REGISTER(NnOp, "Gather", or_reference<gather>);
HALFTONE_REGISTER(NnOp, "GatherElements", or_reference<gather_elements>);
HALFTONE_REGISTER(NnOp, "GatherND", or_reference<gather_nd>);
HALFTONE_REGISTER(NnOp, "Scatter", or_reference<scatter_elements>);
HALFTONE_REGISTER(NnOp, "ScatterElements", or_reference<scatter_elements>);
HALFTONE_REGISTER(NnOp, "ScatterND", or_reference<scatter_nd>);

}  // namespace
}  // namespace halftone

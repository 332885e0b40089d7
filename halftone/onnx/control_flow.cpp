// If, Loop, Scan: operators that run a subgraph, by the interpreter. The values that a subgraph
// takes from outside follow a node's inputs, in the order of node.captures().
#include <algorithm>
#include <set>

#include "halftone/graph/interpreter.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/onnx/subgraph.h"

namespace halftone {
namespace {

constexpr int64_t kMostSteps = 1'000'000;

std::map<std::string, Tensor> captured(const KernelInputs& in) {
  std::map<std::string, Tensor> values;
  const auto names = in.node.captures();
  for (size_t i = 0; i < names.size(); ++i) values[names[i]] = in[in.node.inputs.size() + i];
  return values;
}

std::vector<Tensor> run_body(const Graph& body, const std::map<std::string, Tensor>& outer,
                             const std::vector<Tensor>& inputs) {
  std::map<std::string, Tensor> values = outer;
  if (inputs.size() != body.inputs.size())
    throw Error("the subgraph '", body.name, "' takes ", body.inputs.size(), " inputs, not ",
                inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    values.insert_or_assign(body.inputs[i].name, inputs[i]);
  return interpret(body, values);
}

// Slices of equal shape to one tensor with a new first axis.
Tensor stacked(const std::vector<Tensor>& slices, const Value& like) {
  const Shape shape = slices.empty() ? Shape{} : slices[0].shape();
  const DType dtype = slices.empty() ? like.type.dtype : slices[0].dtype();
  std::vector<std::byte> bytes;
  for (const Tensor& slice : slices) {
    if (slice.shape() != shape || slice.dtype() != dtype || bits_of(dtype) < 8)
      throw Error("the output '", like.name,
                  "' of the subgraph changes its shape or cannot be stacked");
    bytes.insert(bytes.end(), slice.bytes().begin(), slice.bytes().end());
  }
  Shape result{static_cast<int64_t>(slices.size())};
  if (slices.empty() && like.type.shape)
    for (const Dim& dim : *like.type.shape) result.push_back(std::max<int64_t>(dim.value, 0));
  result.insert(result.end(), shape.begin(), shape.end());
  return Tensor::from_bytes(dtype, std::move(result), std::move(bytes));
}

Tensor slice_of(const Tensor& tensor, int64_t i) {
  const Shape shape(tensor.shape().begin() + 1, tensor.shape().end());
  const auto size =
      static_cast<size_t>(bytes_of(tensor.dtype(), static_cast<uint64_t>(element_count(shape))));
  const auto bytes = tensor.bytes().subspan(static_cast<size_t>(i) * size, size);
  return Tensor::from_bytes(tensor.dtype(), shape, {bytes.begin(), bytes.end()});
}

// Types that a branch declares; dimensions only where both branches agree.
void infer_if(InferenceContext& context) {
  const Graph a = subgraph_of(context.node(), "then_branch"),
              b = subgraph_of(context.node(), "else_branch");
  for (size_t i = 0; i < a.outputs.size() && i < b.outputs.size(); ++i) {
    const ValueType &x = a.type(a.outputs[i].name), &y = b.type(b.outputs[i].name);
    context.set_output(i, x.dtype == y.dtype ? x.dtype : DType::kUndefined, std::nullopt);
  }
}

Tensors run_if(const KernelInputs& in) {
  const bool condition = in[0].item<int64_t>() != 0;
  return run_body(subgraph_of(in.node, condition ? "then_branch" : "else_branch"), captured(in),
                  {});
}

void infer_loop(InferenceContext& context) {
  const Graph body = subgraph_of(context.node(), "body");
  for (size_t i = 1; i < body.outputs.size(); ++i)
    context.set_output(i - 1, body.type(body.outputs[i].name).dtype, std::nullopt);
}

Tensors run_loop(const KernelInputs& in) {
  const Graph body = subgraph_of(in.node, "body");
  const auto outer = captured(in);
  const int64_t most = in.has(0) ? in[0].item<int64_t>() : kMostSteps;
  bool goes_on = !in.has(1) || in[1].item<int64_t>() != 0;
  std::vector<Tensor> carried;
  for (size_t i = 2; i < in.node.inputs.size(); ++i) carried.push_back(in[i]);
  if (body.outputs.size() < 1 + carried.size())
    throw Error("the subgraph '", body.name, "' gives too few outputs");
  std::vector<std::vector<Tensor>> scans(body.outputs.size() - 1 - carried.size());
  for (int64_t step = 0; goes_on && step < most; ++step) {
    if (step >= kMostSteps) throw Error("the loop has run ", kMostSteps, " steps without an end");
    std::vector<Tensor> inputs{Tensor::scalar<int64_t>(step), Tensor::of_bools({}, {1})};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    std::vector<Tensor> outputs = run_body(body, outer, inputs);
    goes_on = outputs[0].item<int64_t>() != 0;
    std::copy_n(outputs.begin() + 1, carried.size(), carried.begin());
    for (size_t i = 0; i < scans.size(); ++i) scans[i].push_back(outputs[1 + carried.size() + i]);
  }
  Tensors result = carried;
  for (size_t i = 0; i < scans.size(); ++i)
    result.push_back(stacked(scans[i], body.outputs[1 + carried.size() + i]));
  return result;
}

void infer_scan(InferenceContext& context) {
  const Graph body = subgraph_of(context.node(), "body");
  for (size_t i = 0; i < body.outputs.size(); ++i)
    context.set_output(i, body.type(body.outputs[i].name).dtype, std::nullopt);
}

// Along axis 0, forwards or backwards.
Tensors run_scan(const KernelInputs& in) {
  const Graph body = subgraph_of(in.node, "body");
  const auto outer = captured(in);
  const auto scanned = in.node.int_or("num_scan_inputs", 0);
  const auto total = static_cast<int64_t>(in.node.inputs.size());
  for (const char* axes : {"scan_input_axes", "scan_output_axes"})
    if (std::ranges::any_of(in.node.ints_or(axes, {}), [](int64_t axis) { return axis != 0; }))
      throw Error(axes, " other than 0 are not supported");
  if (scanned < 1 || scanned > total)
    throw Error("num_scan_inputs is ", scanned, " of ", total, " inputs");
  const auto states = static_cast<size_t>(total - scanned);
  if (body.outputs.size() < states)
    throw Error("the subgraph '", body.name, "' gives too few outputs");
  const auto backwards =
      in.node.ints_or("scan_input_directions", std::vector<int64_t>(static_cast<size_t>(scanned)));
  const auto reversed =
      in.node.ints_or("scan_output_directions", std::vector<int64_t>(body.outputs.size() - states));
  std::vector<Tensor> carried;
  for (size_t i = 0; i < states; ++i) carried.push_back(in[i]);
  int64_t steps = -1;
  for (size_t i = states; i < static_cast<size_t>(total); ++i) {
    if (in[i].rank() < 1 || (steps >= 0 && in[i].shape()[0] != steps))
      throw Error("the scanned inputs differ in length");
    steps = in[i].shape()[0];
  }
  std::vector<std::vector<Tensor>> scans(body.outputs.size() - states);
  if (backwards.size() != static_cast<size_t>(scanned) || reversed.size() != scans.size())
    throw Error("the directions do not fit the scanned inputs and outputs");
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Tensor> inputs = carried;
    for (size_t i = 0; i < static_cast<size_t>(scanned); ++i)
      inputs.push_back(slice_of(in[states + i], backwards[i] ? steps - 1 - step : step));
    std::vector<Tensor> outputs = run_body(body, outer, inputs);
    std::copy_n(outputs.begin(), states, carried.begin());
    for (size_t i = 0; i < scans.size(); ++i) scans[i].push_back(outputs[states + i]);
  }
  Tensors result = carried;
  for (size_t i = 0; i < scans.size(); ++i) {
    if (reversed[i]) std::ranges::reverse(scans[i]);
    result.push_back(stacked(scans[i], body.outputs[states + i]));
  }
  return result;
}

HALFTONE_REGISTER(GraphOp, "If", infer_if, run_if);
HALFTONE_REGISTER(GraphOp, "Loop", infer_loop, run_loop);
HALFTONE_REGISTER(GraphOp, "Scan", infer_scan, run_scan);

}  // namespace
}  // namespace halftone

#include <algorithm>
#include <optional>

#include "halftone/graph/links.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

struct Slicing {
  std::vector<int64_t> starts, ends, axes, steps;
};

// nullopt where it is no Slice by constant inputs, or counts axes from the end.
std::optional<Slicing> slicing_of(const Graph& graph, const Node& node) {
  if (node.op_type != "Slice" || !node.domain.empty()) return std::nullopt;
  Slicing result;
  std::vector<int64_t>* parts[] = {&result.starts, &result.ends, &result.axes, &result.steps};
  for (size_t i = 1; i <= 4; ++i) {
    if (node.input(i).empty()) continue;
    const Tensor* constant = graph.constant(node.input(i));
    if (!constant) return std::nullopt;
    *parts[i - 1] = constant->to_vector<int64_t>();
  }
  const size_t count = result.starts.size();
  if (node.input(3).empty())
    for (size_t i = 0; i < count; ++i) result.axes.push_back(static_cast<int64_t>(i));
  if (node.input(4).empty()) result.steps.assign(count, 1);
  const bool is_whole = count > 0 && result.ends.size() == count && result.axes.size() == count &&
                        result.steps.size() == count;
  const bool has_plain_axes = std::ranges::all_of(result.axes, [](int64_t a) { return a >= 0; });
  return is_whole && has_plain_axes ? std::optional(result) : std::nullopt;
}

// One after another; nullopt where they share an axis.
std::optional<Slicing> joined(Slicing first, const Slicing& second) {
  for (int64_t axis : second.axes)
    if (std::ranges::find(first.axes, axis) != first.axes.end()) return std::nullopt;
  const auto append = [](std::vector<int64_t>& to, const std::vector<int64_t>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(first.starts, second.starts);
  append(first.ends, second.ends);
  append(first.axes, second.axes);
  append(first.steps, second.steps);
  return first;
}

}  // namespace

void merge_slices(Graph& graph) {
  const Links links(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    const auto own = slicing_of(graph, node);
    const int maker = own ? links.producer(node.inputs[0]) : -1;
    if (maker < 0 || links.only_consumer(node.inputs[0]) != static_cast<int>(i)) continue;
    const Node& first = graph.nodes[static_cast<size_t>(maker)];
    const auto before = slicing_of(graph, first);
    const auto both = before ? joined(*before, *own) : std::nullopt;
    if (!both) continue;
    const auto constant = [&](const char* what, const std::vector<int64_t>& values) {
      const std::string name = graph.unique_name(node.outputs[0] + what);
      graph.initializers[name] = Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
      return name;
    };
    node.inputs = {first.inputs[0], constant("_starts", both->starts),
                   constant("_ends", both->ends), constant("_axes", both->axes),
                   constant("_steps", both->steps)};
  }
  remove_dead_code(graph);
}

}  // namespace halftone

#include "halftone/onnx/lift.h"

#include <map>
#include <set>
#include <utility>

#include "halftone/onnx/subgraph.h"
#include "halftone/onnx/versions.h"

namespace halftone {
namespace {

constexpr int64_t kOldestOpset = 7;

// The model under way: nodes are taken from the old graph one by one and land in `nodes`, with what
// must stand around them.
struct Lifter {
  Graph& graph;
  std::vector<Node> nodes = {};

  std::string constant(const std::string& wanted, Tensor value) {
    const std::string name = graph.unique_name(wanted);
    graph.initializers[name] = std::move(value);
    return name;
  }
  std::string constant(const std::string& wanted, std::vector<int64_t> values) {
    const auto count = static_cast<int64_t>(values.size());
    return constant(wanted, Tensor::of<int64_t>({count}, std::move(values)));
  }
};

void set_input(Node& node, size_t i, std::string name) {
  if (node.inputs.size() <= i) node.inputs.resize(i + 1);
  node.inputs[i] = std::move(name);
}

// Moves an attribute of whole numbers to input i.
void ints_to_input(Lifter& lifter, Node& node, const char* attribute, size_t i) {
  if (!node.has(attribute)) return;
  set_input(node, i,
            lifter.constant(node.outputs[0] + "_" + attribute, node.ints_or(attribute, {})));
  node.attributes.erase(attribute);
}

// Moves a number to input i, in the type of what the node computes on.
void number_to_input(Lifter& lifter, Node& node, const char* attribute, size_t i) {
  if (!node.has(attribute)) return;
  const DType dtype = lifter.graph.type(node.inputs[0]).dtype;
  const double value[] = {static_cast<double>(node.float_or(attribute, 0))};
  set_input(
      node, i,
      lifter.constant(node.outputs[0] + "_" + attribute,
                      Tensor::from_doubles(is_floating(dtype) ? dtype : DType::kFloat, {}, value)));
  node.attributes.erase(attribute);
}

void lift_axes(Lifter& lifter, Node node) {
  ints_to_input(lifter, node, "axes", 1);
  lifter.nodes.push_back(std::move(node));
}

void lift_split(Lifter& lifter, Node node) {
  ints_to_input(lifter, node, "split", 1);
  lifter.nodes.push_back(std::move(node));
}

void lift_slice(Lifter& lifter, Node node) {
  ints_to_input(lifter, node, "starts", 1);
  ints_to_input(lifter, node, "ends", 2);
  ints_to_input(lifter, node, "axes", 3);
  lifter.nodes.push_back(std::move(node));
}

void lift_pad(Lifter& lifter, Node node) {
  ints_to_input(lifter, node, "pads", 1);
  number_to_input(lifter, node, "value", 2);
  lifter.nodes.push_back(std::move(node));
}

void lift_clip(Lifter& lifter, Node node) {
  number_to_input(lifter, node, "min", 1);
  number_to_input(lifter, node, "max", 2);
  lifter.nodes.push_back(std::move(node));
}

void lift_dropout(Lifter& lifter, Node node) {
  if (node.has("ratio")) {
    set_input(node, 1,
              lifter.constant(node.outputs[0] + "_ratio",
                              Tensor::scalar<float>(node.float_or("ratio", 0.5f))));
    node.attributes.erase("ratio");
  }
  lifter.nodes.push_back(std::move(node));
}

void lift_topk(Lifter& lifter, Node node) {
  if (node.has("k"))
    set_input(node, 1,
              lifter.constant(node.outputs[0] + "_k", std::vector<int64_t>{node.int_or("k", 1)}));
  node.attributes.erase("k");
  lifter.nodes.push_back(std::move(node));
}

void lift_batch_norm(Lifter& lifter, Node node) {
  if (node.int_or("spatial", 1) != 1)
    throw Error("lifting ", node.label(),
                ": statistics for each position (spatial = 0) are not supported");
  node.attributes.erase("spatial");
  lifter.nodes.push_back(std::move(node));
}

// How opset 10 picks the nearest position: rounded down where an axis grows, up where it shrinks
// (as onnxruntime does).
std::string nearest_mode(const Lifter& lifter, const Node& node) {
  const Tensor* scales = lifter.graph.constant(node.input(1));
  bool grows = false, shrinks = false;
  if (scales)
    for (float scale : scales->to_vector<float>())
      grows = grows || scale > 1, shrinks = shrinks || scale < 1;
  if (grows && shrinks && node.string_or("mode", "nearest") == "nearest")
    throw Error(
        "lifting ", node.label(),
        ": nearest Resize of opset 10 that grows one axis and shrinks another has no later form");
  return shrinks ? "ceil" : "floor";
}

// Upsample, and the Resize of opset 10: output position / scale.
void lift_upsample(Lifter& lifter, Node node) {
  const bool is_old_resize = node.op_type == "Resize";
  if (!is_old_resize && node.has("scales")) {
    auto scales = node.floats_or("scales", {});
    const auto count = static_cast<int64_t>(scales.size());
    set_input(node, 1,
              lifter.constant(node.outputs[0] + "_scales",
                              Tensor::of<float>({count}, std::move(scales))));
    node.attributes.erase("scales");
  }
  node.attributes["nearest_mode"] = nearest_mode(lifter, node);
  node.op_type = "Resize";
  node.inputs.insert(node.inputs.begin() + 1, "");  // roi
  node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
  if (node.string_or("mode", "nearest") == "bilinear")
    node.attributes["mode"] = std::string("linear");
  lifter.nodes.push_back(std::move(node));
}

void lift_scatter(Lifter& lifter, Node node) {
  node.op_type = "ScatterElements";
  lifter.nodes.push_back(std::move(node));
}

// Softmax, LogSoftmax, Hardmax before 13 see a matrix: the axes before `axis` as rows, those from
// it on as columns.
void lift_softmax(Lifter& lifter, Node node) {
  const auto shape = lifter.graph.type(node.inputs[0]).shape;
  int64_t axis = node.int_or("axis", 1);
  if (shape) {
    const auto rank = static_cast<int64_t>(shape->size());
    if (axis < 0) axis += rank;
    if (axis == rank - 1) {
      node.attributes["axis"] = int64_t{-1};
      lifter.nodes.push_back(std::move(node));
      return;
    }
  }
  Graph& graph = lifter.graph;
  const std::string output = node.outputs[0];
  const std::string shape_name = graph.unique_name(output + "_shape"),
                    matrix = graph.unique_name(output + "_matrix"),
                    result = graph.unique_name(output + "_rows");
  lifter.nodes.push_back({.name = shape_name,
                          .op_type = "Shape",
                          .inputs = {node.inputs[0]},
                          .outputs = {shape_name}});
  lifter.nodes.push_back({.name = matrix,
                          .op_type = "Flatten",
                          .inputs = {node.inputs[0]},
                          .outputs = {matrix},
                          .attributes = {{"axis", axis}}});
  node.inputs[0] = matrix;
  node.outputs[0] = result;
  node.attributes["axis"] = int64_t{-1};
  lifter.nodes.push_back(std::move(node));
  lifter.nodes.push_back({.name = output + "_reshape",
                          .op_type = "Reshape",
                          .inputs = {result, shape_name},
                          .outputs = {output}});
}

// What changes an operator's form, and the opset since which it has the new one.
struct Change {
  int64_t since;
  void (*lift)(Lifter&, Node);
};

const std::map<std::string, Change>& changes() {
  static const std::map<std::string, Change> kChanges{
      {"Squeeze", {13, lift_axes}},       {"Unsqueeze", {13, lift_axes}},
      {"ReduceSum", {13, lift_axes}},     {"Split", {13, lift_split}},
      {"Slice", {10, lift_slice}},        {"Pad", {11, lift_pad}},
      {"Clip", {11, lift_clip}},          {"Dropout", {12, lift_dropout}},
      {"TopK", {10, lift_topk}},          {"BatchNormalization", {9, lift_batch_norm}},
      {"Upsample", {13, lift_upsample}},  {"Resize", {11, lift_upsample}},
      {"Scatter", {13, lift_scatter}},    {"Softmax", {13, lift_softmax}},
      {"LogSoftmax", {13, lift_softmax}}, {"Hardmax", {13, lift_softmax}},
  };
  return kChanges;
}

void lift_nodes(Graph& graph, int64_t opset);

// The subgraphs of If, Loop and Scan, which see the types of what they take from outside.
void lift_subgraphs(const Graph& outer, Node& node, int64_t opset) {
  for (const char* attribute : {"then_branch", "else_branch", "body"}) {
    if (!node.has(attribute)) continue;
    Graph inner = subgraph_of(node, attribute);
    const auto declared = inner.value_types;
    for (const std::string& name : node.captures())
      inner.value_types.emplace(name, outer.type(name));
    lift_nodes(inner, opset);
    inner.value_types = declared;
    set_subgraph(node, attribute, inner);
  }
}

void lift_nodes(Graph& graph, int64_t opset) {
  std::vector<Node> old = graph.nodes;  // graph.nodes stay while names are made
  Lifter lifter{graph};
  for (Node& node : old) {
    const auto change = changes().find(node.op_type);
    const bool applies =
        node.domain.empty() && change != changes().end() && opset < change->second.since;
    const bool has_subgraph =
        node.domain.empty() &&
        (node.op_type == "If" || node.op_type == "Loop" || node.op_type == "Scan");
    if (has_subgraph && node.op_type == "Scan" && opset < 9)
      throw Error("lifting ", node.label(),
                  ": the batched Scan of opset 8 has no later form; export the model with opset 13 "
                  "or later");
    if (has_subgraph) lift_subgraphs(graph, node, opset);
    if (applies)
      change->second.lift(lifter, std::move(node));
    else
      lifter.nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(lifter.nodes);
}

}  // namespace

Model lifted(const Model& source) {
  Model model = source;
  // IR versions before 4 knew no constants: every initializer had to be an input too.
  if (model.ir_version < 4)
    std::erase_if(model.graph.inputs, [&](const Value& input) {
      return model.graph.initializers.contains(input.name);
    });
  const int64_t opset = model.opset();
  if (opset >= kLeastOpset) return model;
  if (opset < kOldestOpset)
    throw Error("the model has opset ", opset,
                "; 7 and later are read: export it with opset 13 or later");

  lift_nodes(model.graph, opset);
  require_versions(model, kLeastOpset);
  return model;
}

}  // namespace halftone

#include "halftone/nn/network.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "halftone/nn/tensors.h"

namespace halftone {
namespace {

std::string shapes_of(const std::vector<at::Tensor>& values) {
  std::string result;
  for (const at::Tensor& value : values) {
    if (!result.empty()) result += ", ";
    result += value.defined() ? to_string(value.sizes().vec()) : "-";
  }
  return result;
}

// Inputs, and behind them what subgraphs take from outside.
std::vector<std::string> values_read(const Node& node) {
  std::vector<std::string> names = node.inputs;
  for (const std::string& name : node.captures()) names.push_back(name);
  return names;
}

// The outer values that a graph's nodes and outputs read, each with the last node that does.
std::map<std::string, size_t> last_reads(const Graph& graph) {
  std::map<std::string, size_t> last;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const std::string& input : values_read(graph.nodes[i])) last[input] = i;
  for (const Value& output : graph.outputs) last.erase(output.name);
  return last;
}

bool is_convolution_2d(const Graph& graph, const Node& node) {
  const Tensor* kernel =
      node.op_type == "Conv" && node.domain.empty() ? graph.constant(node.input(1)) : nullptr;
  return kernel && kernel->rank() == 4;
}

[[noreturn]] void throw_unsupported(const Node& node) {
  std::string known;
  for (const auto& [name, op] : Registry<NnOp>::all()) known += (known.empty() ? "" : ", ") + name;
  throw Error(node.label(), ": the operator ", node.domain.empty() ? "" : node.domain + ".",
              node.op_type, " is not supported; supported are ", known);
}

}  // namespace

Network::Network(const Graph& graph, at::Device device) : graph_(graph), device_(device) {
  const auto last = last_reads(graph_);
  std::set<std::string> kernels;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    Step step{&node, find_nn_op(node), {}, {}, {}};
    if (!step.op) throw_unsupported(node);
    const std::vector<std::string> read = values_read(node);
    for (const std::string& name : read) step.inputs.push_back(name.empty() ? -1 : slot(name));
    for (const std::string& name : node.outputs)
      step.outputs.push_back(name.empty() ? -1 : slot(name));
    for (const std::string& name : std::set<std::string>(read.begin(), read.end())) {
      const auto found = last.find(name);
      const bool stays = graph_.initializers.contains(name) || name.empty();
      if (!stays && found != last.end() && found->second == i) step.last_uses.push_back(slot(name));
    }
    if (is_convolution_2d(graph_, node)) {
      images_.insert(node.inputs[0]);
      kernels.insert(node.inputs[1]);
    }
    if (node.op_type == "BatchNormalization" && node.inputs.size() == 5)
      running_statistics_.insert({node.inputs[3], node.inputs[4]});
    steps_.push_back(std::move(step));
  }
  for (const Value& output : graph_.outputs) slot(output.name);
  for (const auto& [name, tensor] : graph_.initializers) {
    const auto found = slots_.find(name);
    if (found == slots_.end()) continue;  // nobody reads it
    at::Tensor value = to_torch(tensor).to(device_);
    if (kernels.contains(name)) value = value.contiguous(at::MemoryFormat::ChannelsLast);
    constants_[found->second] = value;
    if (value.is_floating_point()) parameters_[name] = value;
  }
}

int Network::slot(const std::string& name) {
  const auto [found, is_new] = slots_.emplace(name, static_cast<int>(names_.size()));
  if (is_new) names_.push_back(name);
  return found->second;
}

void Network::run_step(const Step& step, std::vector<at::Tensor>& values, bool training) const {
  std::vector<at::Tensor> inputs;
  inputs.reserve(step.inputs.size());
  for (int i : step.inputs) {
    if (i >= 0 && !values[static_cast<size_t>(i)].defined())
      throw Error(step.node->label(), " reads '", names_[static_cast<size_t>(i)],
                  "', which was not given");
    inputs.push_back(i < 0 ? at::Tensor() : values[static_cast<size_t>(i)]);
  }
  for (int slot : step.last_uses) values[static_cast<size_t>(slot)].reset();
  std::vector<at::Tensor> outputs;
  try {
    outputs = step.op->run({*step.node, inputs, training});
  } catch (const c10::Error& error) {
    throw Error("running ", step.node->label(), " on ", shapes_of(inputs), ": ",
                error.what_without_backtrace());
  } catch (const Error& error) {
    throw Error("running ", step.node->label(), " on ", shapes_of(inputs), ": ", error.what());
  }
  for (size_t k = 0; k < step.outputs.size() && k < outputs.size(); ++k)
    if (step.outputs[k] >= 0)  // what has no tensor input is made on the CPU
      values[static_cast<size_t>(step.outputs[k])] = outputs[k].to(device_);
}

TensorMap Network::run(const TensorMap& inputs, const NetworkRun& how) const {
  std::vector<at::Tensor> values(names_.size());
  TensorMap result;
  auto made = [&](const std::string& name, at::Tensor& value) {
    if (how.observe) how.observe(name, value);
    if (how.replace)
      if (at::Tensor other = how.replace(name, value); other.defined()) value = std::move(other);
    if (how.capture.contains(name)) result[name] = value;
  };
  for (const auto& [slot, constant] : constants_) values[static_cast<size_t>(slot)] = constant;
  for (const auto& [name, value] : how.initializers)
    if (const auto found = slots_.find(name); found != slots_.end())
      values[static_cast<size_t>(found->second)] = value;
  for (const auto& [name, value] : how.known)
    if (const auto found = slots_.find(name); found != slots_.end())
      values[static_cast<size_t>(found->second)] = value;
  for (const auto& [name, value] : inputs) {
    const auto found = slots_.find(name);
    at::Tensor fed = value.to(device_);
    if (images_.contains(name) && fed.dim() == 4)
      fed = fed.contiguous(at::MemoryFormat::ChannelsLast);
    made(name, fed);
    if (found != slots_.end()) values[static_cast<size_t>(found->second)] = std::move(fed);
  }
  auto is_known = [&](int output) {
    return output < 0 || how.known.contains(names_[static_cast<size_t>(output)]);
  };
  for (const Step& step : steps_) {
    if (!how.known.empty() && std::ranges::all_of(step.outputs, is_known)) continue;
    run_step(step, values, how.training);
    for (int output : step.outputs)
      if (output >= 0)
        made(names_[static_cast<size_t>(output)], values[static_cast<size_t>(output)]);
  }
  for (const Value& output : graph_.outputs) {
    const at::Tensor& value = values[static_cast<size_t>(slots_.at(output.name))];
    if (!value.defined())
      throw Error("the graph's output '", output.name, "' was not computed: is an input missing?");
    result[output.name] = value;
  }
  return result;
}

Graph Network::write_back() const {
  Graph graph = graph_;
  for (const auto& [name, value] : parameters_) {
    Tensor& old = graph.initializers.at(name);
    old = from_torch(value).reshaped(old.shape());
  }
  return graph;
}

}  // namespace halftone

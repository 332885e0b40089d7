// Runs a Graph on LibTorch, differentiably.
//
//   Network network(model.graph);
//   TensorMap out = network.run({{"image", images}}, {.capture = {"/Relu_output_0"}});
//   out.at("logits").backward();
//
// Parameters carry their initializer's name. run() is const and may be called from several threads
// at once, except with `training`, which updates BatchNormalization's running statistics.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"
#include "halftone/nn/op.h"

namespace halftone {

using TensorMap = std::map<std::string, at::Tensor>;

struct NetworkRun {
  // BatchNormalization uses the batch's statistics and updates the running ones; Dropout drops.
  bool training = false;
  // Tensors that take the place of initializers in this run, by name: weights that are computed
  // from what is trained.
  TensorMap initializers = {};
  // Values that are there already, by name: nodes of which every output is known do not run. To run
  // again from some place on.
  TensorMap known = {};
  // Values, of any place in the graph, that are returned beside the outputs.
  std::set<std::string> capture = {};
  // Called with the name and value of everything that is computed or fed, in the order of the
  // graph. A tensor that is kept keeps its values; memory that is only pointed to may be written
  // over by the next operator.
  std::function<void(const std::string&, const at::Tensor&)> observe = {};
  // Called likewise after `observe`; what it returns takes the value's place. An undefined tensor
  // leaves it as it is.
  std::function<at::Tensor(const std::string&, const at::Tensor&)> replace = {};
};

class Network {
 public:
  // Throws Error naming the node where an operator has no LibTorch form, and saying what is
  // supported.
  explicit Network(const Graph& graph, at::Device device = at::kCPU);

  // `inputs` by name, as the graph's fed inputs. Returns the outputs and what was captured, by
  // name. Throws Error naming the node that fails, with the shapes of its inputs, or the input that
  // is missing.
  TensorMap run(const TensorMap& inputs, const NetworkRun& how = {}) const;

  // Floating-point initializers by name, shared with the network: writing into one changes the
  // network. None requires gradients at first; call requires_grad_() on those that are to be
  // trained.
  const TensorMap& parameters() const { return parameters_; }
  // The running statistics of BatchNormalization among the parameters: updated by training runs,
  // not by gradients.
  const std::set<std::string>& running_statistics() const { return running_statistics_; }

  // The graph with the parameters' present values.
  Graph write_back() const;

  const Graph& graph() const { return graph_; }

 private:
  struct Step {
    const Node* node;
    const NnOp* op;
    std::vector<int> inputs;     // slots; -1: left out
    std::vector<int> outputs;    // slots; -1: not asked for
    std::vector<int> last_uses;  // slots that nobody reads afterwards
  };

  int slot(const std::string& name);
  void run_step(const Step& step, std::vector<at::Tensor>& values, bool training) const;

  Graph graph_;
  at::Device device_;
  std::map<std::string, int> slots_;
  std::vector<std::string> names_;  // by slot
  std::vector<Step> steps_;
  std::map<int, at::Tensor> constants_;  // by slot
  TensorMap parameters_;
  std::set<std::string> running_statistics_;
  std::set<std::string>
      images_;  // fed inputs that a 2-D convolution reads: kept with channels last, which is faster
};

}  // namespace halftone

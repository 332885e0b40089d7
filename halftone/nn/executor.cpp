#include "halftone/graph/executor.h"

#include <c10/core/InferenceMode.h>

#include "halftone/graph/passes/passes.h"
#include "halftone/graph/passes/sum_codes.h"
#include "halftone/nn/network.h"
#include "halftone/nn/tensors.h"
#include "halftone/nn/threads.h"

namespace halftone {
namespace {

Graph with_values(Graph graph) {
  sum_codes(graph);
  dequantize_constants(graph);
  return graph;
}

class NetworkRunner : public Runner {
 public:
  explicit NetworkRunner(const Graph& graph) : network_(with_values(graph)) {}

  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs) const override {
    OneTorchThread::enter_worker();
    const c10::InferenceMode inference;
    TensorMap values;
    for (const auto& [name, tensor] : inputs) values[name] = to_torch(tensor);
    const TensorMap outputs = network_.run(values);
    std::vector<Tensor> result;
    for (const Value& output : network_.graph().outputs)
      result.push_back(from_torch(outputs.at(output.name)));
    return result;
  }

 private:
  const OneTorchThread one_thread_;
  Network network_;
};

HALFTONE_REGISTER(Executor, "libtorch", "the fastest simulation in float", 1,
                  [](const Graph& graph, const Run&) {
                    return std::unique_ptr<Runner>(std::make_unique<NetworkRunner>(graph));
                  });

}  // namespace
}  // namespace halftone

#include "halftone/graph/executor.h"

#include "halftone/graph/interpreter.h"

namespace halftone {
namespace {

class ReferenceRunner : public Runner {
 public:
  explicit ReferenceRunner(const Graph& graph) : graph_(graph) {}
  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs) const override {
    return interpret(graph_, inputs);
  }

 private:
  Graph graph_;
};

std::unique_ptr<Runner> make(const Graph& graph, const Run&) {
  for (const Node& node : graph.nodes) require_supported(node);
  return std::make_unique<ReferenceRunner>(graph);
}

HALFTONE_REGISTER(Executor, "reference", "plain loops, for comparison", 0, make);

}  // namespace

const Executor& best_executor() {
  const Executor* best = nullptr;
  for (const auto& [name, executor] : Registry<Executor>::all())
    if (!best || executor.speed > best->speed) best = &executor;
  return *best;
}

}  // namespace halftone

// Something that runs graphs: LibTorch where the build has it, the reference kernels always.
//
//   auto runner = best_executor().make(model.graph, run);
//   std::vector<Tensor> outputs = runner->run({{"image", batch}});
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/base/run.h"
#include "halftone/graph/graph.h"

namespace halftone {

class Runner {
 public:
  virtual ~Runner() = default;
  // The graph's outputs, in order, for inputs by name. Uses one thread; may be called from several
  // at once.
  virtual std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs) const = 0;
};

struct Executor {
  static constexpr const char* kKind = "engine";
  std::string name;
  std::string summary;
  int speed;  // the fastest one of a build is its best
  // Throws Error naming the node whose operator is not supported.
  // What it computes in another way than its name says is told through `run`.
  std::unique_ptr<Runner> (*make)(const Graph& graph, const Run& run);
};

const Executor& best_executor();

}  // namespace halftone

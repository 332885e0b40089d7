// Runs a network over a data set and counts how often it is right.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "halftone/base/run.h"
#include "halftone/data/accuracy.h"
#include "halftone/data/dataset.h"
#include "halftone/graph/graph.h"

namespace halftone {

struct EvaluateOptions {
  std::string engine = {};  // the Executor's name; empty: the fastest of the build. The original
                            // runs on the fastest one
  bool skip_broken = false;
  // Writes the first output of every sample, float32, in order, as .npy.
  std::optional<std::filesystem::path> outputs = {};
};

struct Evaluation {
  size_t samples = 0;
  Accuracy accuracy;  // of the labelled samples, by the first output
  std::map<std::string, double>
      sqnr_db;  // of each output against the original's, where there is one
};

// The fixed number of rows of a batch: whole batches of one size make results independent of the
// number of threads. The model's own where its batch axis is fixed, else 2 to 16 by the size of a
// sample.
size_t batch_size_for(const Graph& graph);

// graph, original (may be nullptr): opset 13 or later. Throws Error where a label is outside the
// outputs.
Evaluation evaluate(const Graph& graph, const Graph* original, const Dataset& data,
                    const EvaluateOptions& options, const Run& run);

}  // namespace halftone

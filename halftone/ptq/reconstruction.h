// Reconstruction: rounding of weights and scales of activations are learned, part by part of the
// network, so that each part's output changes least. AdaRound (one layer), BRECQ and QDrop (one
// block) are settings of the same walk.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "halftone/base/checkpoint.h"
#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"

namespace halftone {

// One walk over the network, front to back.
struct Reconstruction {
  enum class Unit { kLayer, kBlock, kNetwork };
  Unit unit = Unit::kBlock;
  bool learns_rounding = true;
  bool learns_steps = false;  // the scales of activations, by LSQ
  bool learns_biases = false;
  bool quantizes_activations = true;  // false: weights alone, facing float activations
  float keep =
      1.0f;  // probability that an activation element is quantized while learning; 1: always
  double step_learning_rate = 4e-5;
  double bias_learning_rate = 1e-3;
  bool normalizes_step_gradient = true;  // LSQ's factor 1/sqrt(elements * qmax)
  double error_exponent = 2;             // of |difference| in the loss
  double iterations_share = 1;           // of the method's iterations
  bool skips_first = false;              // the first unit keeps its rounding
};

struct ReconstructionOptions {
  int iterations = 0;          // 0: from the network's size alone, see default_iterations()
  int batch = 0;               // 0: 32, or 16 for networks of more than 200 M multiplications
  double rounding_weight = 0;  // lambda; 0: 0.01, or 0.1 where there are depthwise convolutions
  double rounding_learning_rate = 0;  // 0: 1e-2 up to 2,000 iterations, else 1e-3
  std::set<std::string> frozen = {};  // sites that stay as they are
  bool learns_biases = true;          // false: no walk does
  bool tunes_network = true;          // false: walks over the whole network are left out
  bool uses_fisher =
      false;  // errors weighted by the gradient of the network's output (BRECQ, eq. 10)
};

struct UnitReport {
  std::string name;
  double loss_before =
      0;  // with the codes and scales that came in: sum over channels, mean over samples and space
  double loss_after = 0;       // with those that went out
  double converged_share = 1;  // of the rounding variables that ended at 0 or 1
  bool is_improved = false;    // false: the unit keeps what it had
};

// clamp(6.1e10 / multiplications, 1000, 5000): from the network alone, so that equal options give
// equal bytes on every machine.
int default_iterations(const Graph& graph);

// Improves `sites` in place. graph: canonical, what `placement` was made for. samples: of `data`,
// to learn from. Units done are kept in `checkpoint` under `name` and taken from there. Stops
// between units where run.is_time_up(), with a warning. The result does not depend on run.threads.
std::vector<UnitReport> reconstruct(const Graph& graph, const Placement& placement,
                                    QuantizedSites& sites, const Reconstruction& how,
                                    const ReconstructionOptions& options, const Dataset& data,
                                    const std::vector<size_t>& samples, const LoadOptions& load,
                                    const Checkpoint& checkpoint, const std::string& name,
                                    const Run& run);

}  // namespace halftone

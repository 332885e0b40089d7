// Methods that learn rounding, and scales of activations, from unlabelled samples.
#include "halftone/ptq/method.h"

namespace halftone {
namespace {

using enum WeightScale;
using enum BiasCorrection;
using Unit = Reconstruction::Unit;

HALFTONE_REGISTER(PtqMethod, "adaround",
                  "Learns whether each weight rounds up or down, layer by layer",
                  "Nagel et al. 2020, arXiv 2004.10568", "mse", kMinMax, kMse, kNone,
                  {{.unit = Unit::kLayer}});

// Weights first, facing float activations, then the scales of activations: the authors' two phases.
HALFTONE_REGISTER(PtqMethod, "brecq",
                  "Learns rounding block by block, then the scales of activations",
                  "Li et al. 2021, arXiv 2102.05426", "mse", kMinMax, kMse, kNone,
                  {{.quantizes_activations = false, .skips_first = true},
                   {.learns_rounding = false,
                    .learns_steps = true,
                    .step_learning_rate = 4e-4,
                    .normalizes_step_gradient = false,
                    .error_exponent = 2.4,
                    .iterations_share = 0.25}});

// The authors' walk with biases, and one over the whole network at once: scales and biases by the
// float network's outputs (bias tuning, Hubara et al. 2020, arXiv 2006.10518).
HALFTONE_REGISTER(
    PtqMethod, "qdrop",
    "Learns rounding and scales together while activations drop their quantization at random",
    "Wei et al. 2022, arXiv 2203.05740", "mse", kMinMax, kMse, kNone,
    {{.learns_steps = true, .learns_biases = true, .keep = 0.5f},
     {.unit = Unit::kNetwork,
      .learns_rounding = false,
      .learns_steps = true,
      .learns_biases = true,
      .iterations_share = 0.5}});

}  // namespace
}  // namespace halftone

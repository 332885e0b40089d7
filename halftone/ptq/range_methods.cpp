// Methods that only choose ranges.
#include "halftone/ptq/method.h"

namespace halftone {
namespace {

using enum WeightScale;
using enum BiasCorrection;

HALFTONE_REGISTER(
    PtqMethod, "corrected",
    "Min-max weights at 8 bits, least error below; least-error activations; bias correction",
    "Nagel et al. 2019, arXiv 1906.04721", "mse", kMinMax, kMse, kEmpirical);
HALFTONE_REGISTER(PtqMethod, "minmax", "The range of what was seen, weights and activations", "",
                  "minmax", kMinMax, kMinMax, kNone);
HALFTONE_REGISTER(PtqMethod, "ema", "Moving average of each batch's range",
                  "Jacob et al. 2018, arXiv 1712.05877", "ema", kMinMax, kMinMax, kNone);
HALFTONE_REGISTER(PtqMethod, "mse", "Least quantization error, weights and activations",
                  "Li et al. 2021 (BRECQ), arXiv 2102.05426", "mse", kMse, kMse, kNone);
HALFTONE_REGISTER(PtqMethod, "percentile",
                  "Leaves out the outermost activations; least-error weights below 8 bits", "",
                  "percentile", kMinMax, kMse, kNone);
HALFTONE_REGISTER(PtqMethod, "entropy",
                  "Keeps the activations' distribution (KL divergence); meant for 8 bits",
                  "Migacz, 8-bit inference with TensorRT, GTC 2017", "entropy", kMinMax, kMse,
                  kNone);

}  // namespace
}  // namespace halftone

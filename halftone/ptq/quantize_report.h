// What quantize() tells of its result, and how it finds it out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "halftone/base/run.h"
#include "halftone/data/dataset.h"
#include "halftone/data/loader.h"
#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"
#include "halftone/nn/network.h"
#include "halftone/ptq/compare.h"
#include "halftone/ptq/explain.h"
#include "halftone/ptq/reconstruction.h"

namespace halftone {

struct SiteReport {
  std::string site;
  SiteKind kind = SiteKind::kActivation;
  int bits = 8;  // the most of any channel
  double sqnr_db =
      0;  // weight: of its rounding alone; activation: quantized network against the float one
  std::vector<int> channel_bits = {};  // where channels differ
};

// One method that a ladder tried.
struct RungReport {
  std::string method;
  std::optional<double> top1_after;
  double sqnr_db = 0;
  bool is_met = false;  // the target
};

struct QuantizeReport {
  std::string method;  // that made the result: of a ladder the rung
  std::vector<SiteReport> sites;
  std::vector<FloatOperator> float_operators;
  size_t calibration_samples = 0;
  size_t compared_samples = 0;        // of the figures below
  bool is_validated = false;          // they are of data of their own, not of calibration samples
  std::optional<double> top1_before;  // percent, where there are labels
  std::optional<double> top1_after;
  double drop_error = 0;  // standard error of top1_before - top1_after, in points: of a difference
                          // of paired samples
  double sqnr_db = 0;     // of the first output, against the model as it was given
  std::vector<UnitReport> units;  // what was learned, in order
  std::vector<RungReport> rungs;  // of a ladder
  std::vector<Culprit> culprits;  // with `explains`: every site, worst first
};

// So many of the first samples are compared site by site: whoever orders samples spreads these.
constexpr size_t kSamplesForLayers = 16;

// A network before and after: `original` runs the graph that was quantized, whose sites `quantized`
// holds.
struct QuantizedModel {
  const Network& original;
  const Placement& placement;
  const QuantizedSites& sites;
  const Model& quantized;  // as written: with Q and DQ
};

// Fills sites and the figures of compared samples. Activations are compared on the first few
// samples of `reference` alone.
void report_losses(const QuantizedModel& model, const Reference& reference, const LoadOptions& how,
                   const Run& run, QuantizeReport& report);

}  // namespace halftone

// How good is good enough: where a ladder of methods stops.
//
//   QualityTarget target = parse_quality_target("0.5");    // points of top-1
//   QualityTarget target = parse_quality_target("25dB");   // SQNR, whether there are labels or not
#pragma once

#include <string>

#include "halftone/ptq/quantize_report.h"

namespace halftone {

struct QualityTarget {
  double points = 1;            // of top-1 lost at most, where there are labels
  double sqnr_db = 20;          // of the output at least, where there are none
  bool ignores_labels = false;  // judges by SQNR always
  bool has_points = false;      // `points` were asked for

  // Without validation data the drop is told by few samples: one that is above `points` by less
  // than its standard error is met.
  bool is_met(const QuantizeReport& report) const;
  // What it takes to be met, for a result of that kind: "at most 1 points of top-1".
  std::string described(const QuantizeReport& report) const;
  // Whether `a` is the better result.
  bool prefers(const QuantizeReport& a, const QuantizeReport& b) const;
};

// Throws UsageError for anything but a number of points, at least 0, or of decibels.
QualityTarget parse_quality_target(const std::string& text);

}  // namespace halftone

#include "halftone/ptq/quality_target.h"

#include <charconv>
#include <cmath>

#include "halftone/base/error.h"

namespace halftone {

bool QualityTarget::is_met(const QuantizeReport& report) const {
  if (!report.top1_after || ignores_labels) return report.sqnr_db >= sqnr_db;
  const double drop = *report.top1_before - *report.top1_after;
  return drop - (report.is_validated ? 0 : report.drop_error) <= points;
}

std::string QualityTarget::described(const QuantizeReport& report) const {
  if (!report.top1_after || ignores_labels) return text("SQNR of at least ", sqnr_db, " dB");
  return text("at most ", points, " points of top-1");
}

bool QualityTarget::prefers(const QuantizeReport& a, const QuantizeReport& b) const {
  const bool by_labels = a.top1_after && b.top1_after && !ignores_labels;
  if (by_labels && *a.top1_after != *b.top1_after) return *a.top1_after > *b.top1_after;
  return a.sqnr_db > b.sqnr_db;
}

QualityTarget parse_quality_target(const std::string& text) {
  QualityTarget target;
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  if (code != std::errc() || !std::isfinite(number) || number < 0 ||
      !(unit.empty() || unit == "dB"))
    throw UsageError("--max-drop ", text,
                     ": give points of top-1, such as 0.5, or the least SQNR, such as 25dB");
  if (unit.empty())
    target.points = number, target.has_points = true;
  else
    target.sqnr_db = number, target.ignores_labels = true;
  return target;
}

}  // namespace halftone

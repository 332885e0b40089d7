// Chooses the range of an activation from a stream of its values, in bounded memory.
//
//   auto observer = Registry<ObserverKind>::get("mse").make();
//   observer->observe(values, min_max(values));  // as often as there are batches
//   Range range = observer->range({.bits = 8, .is_symmetric = false});
//
// Observers of consecutive batches can be merged in their order, with the result of one that saw
// them all.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "halftone/base/registry.h"
#include "halftone/quant/numeric.h"

namespace halftone {

struct Range {
  float low = 0;   // <= 0
  float high = 0;  // >= 0
};

struct RangeRequest {
  int bits = 8;
  bool is_symmetric = false;  // zero point in the middle: [-t, t]
};

// Not thread-safe.
class Observer {
 public:
  virtual ~Observer() = default;
  // values: one batch, any shape; extremes: min_max(values), by which the caller has seen that all
  // are finite.
  virtual void observe(std::span<const float> values, const MinMax& extremes) = 0;
  // Appends what `later` saw after this one; same kind.
  virtual void merge(const Observer& later) = 0;
  // The range that is best by this observer's criterion, 0 included. Throws Error where nothing was
  // observed.
  virtual Range range(const RangeRequest& request) const = 0;
};

struct ObserverKind {
  static constexpr const char* kKind = "observer";
  std::string name;
  std::string summary;
  std::string paper;
  std::unique_ptr<Observer> (*make)();
};

}  // namespace halftone

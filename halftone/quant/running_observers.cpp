// Observers that keep a few numbers: the range seen, and its moving average.
#include <algorithm>

#include "halftone/quant/numeric.h"
#include "halftone/quant/observer.h"

namespace halftone {
namespace {

Range with_zero(float low, float high, const RangeRequest& request) {
  low = std::min(low, 0.0f);
  high = std::max(high, 0.0f);
  if (!request.is_symmetric) return {low, high};
  const float magnitude = std::max(-low, high);
  return {-magnitude, magnitude};
}

void require_values(bool has_values) {
  if (!has_values) throw Error("no value was observed");
}

class MinMaxObserver : public Observer {
 public:
  void observe(std::span<const float> values, const MinMax& extremes) override {
    if (!values.empty()) add(extremes.min, extremes.max);
  }
  void merge(const Observer& later) override {
    const auto& other = dynamic_cast<const MinMaxObserver&>(later);
    if (other.has_values_) add(other.min_, other.max_);
  }
  Range range(const RangeRequest& request) const override {
    require_values(has_values_);
    return with_zero(min_, max_, request);
  }

 private:
  void add(float low, float high) {
    min_ = has_values_ ? std::min(min_, low) : low;
    max_ = has_values_ ? std::max(max_, high) : high;
    has_values_ = true;
  }
  bool has_values_ = false;
  float min_ = 0, max_ = 0;
};

// m <- a m + (1 - a) batch, a = 0.99; the first batch starts it. Kept as the map that a batch
// sequence applies to what came before: m -> decay * m + part, and as the value where nothing came
// before; so merging in order is exact but for rounding.
class MovingAverageObserver : public Observer {
 public:
  void observe(std::span<const float> values, const MinMax& seen) override {
    if (values.empty()) return;
    MovingAverageObserver batch;
    batch.decay_ = kDecay;
    batch.low_ = {seen.min, (1 - kDecay) * static_cast<double>(seen.min)};
    batch.high_ = {seen.max, (1 - kDecay) * static_cast<double>(seen.max)};
    merge(batch);
  }
  void merge(const Observer& later) override {
    const auto& other = dynamic_cast<const MovingAverageObserver&>(later);
    if (other.decay_ == 1) return;
    const bool is_first = decay_ == 1;
    for (auto end : {&MovingAverageObserver::low_, &MovingAverageObserver::high_}) {
      End& mine = this->*end;
      const End& theirs = other.*end;
      mine.alone = is_first ? theirs.alone : other.decay_ * mine.alone + theirs.part;
      mine.part = other.decay_ * mine.part + theirs.part;
    }
    decay_ *= other.decay_;
  }
  Range range(const RangeRequest& request) const override {
    require_values(decay_ != 1);
    return with_zero(static_cast<float>(low_.alone), static_cast<float>(high_.alone), request);
  }

 private:
  static constexpr double kDecay = 0.99;
  struct End {
    double alone = 0;  // the average where nothing came before
    double part = 0;   // what these batches add to whatever came before
  };
  double decay_ = 1;  // 1: no batch yet
  End low_, high_;
};

HALFTONE_REGISTER(ObserverKind, "minmax", "Smallest and largest value seen", "",
                  [] { return std::unique_ptr<Observer>(std::make_unique<MinMaxObserver>()); });
HALFTONE_REGISTER(ObserverKind, "ema",
                  "Moving average (0.99) of each batch's smallest and largest value",
                  "Jacob et al. 2018, arXiv 1712.05877", [] {
                    return std::unique_ptr<Observer>(std::make_unique<MovingAverageObserver>());
                  });

}  // namespace
}  // namespace halftone

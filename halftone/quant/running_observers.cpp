// Observers that keep a few numbers: the range seen, its moving average, the mean magnitude.
#include <algorithm>
#include <cmath>

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

// The mean over batches of each one's smallest and largest value.
class MeanOfExtremesObserver : public Observer {
 public:
  void observe(std::span<const float> values, const MinMax& seen) override {
    if (values.empty()) return;
    low_ += seen.min;
    high_ += seen.max;
    ++batches_;
  }
  void merge(const Observer& later) override {
    const auto& other = dynamic_cast<const MeanOfExtremesObserver&>(later);
    low_ += other.low_;
    high_ += other.high_;
    batches_ += other.batches_;
  }
  Range range(const RangeRequest& request) const override {
    require_values(batches_ > 0);
    return with_zero(static_cast<float>(low_ / batches_), static_cast<float>(high_ / batches_),
                     request);
  }

 private:
  double low_ = 0, high_ = 0, batches_ = 0;
};

// LSQ's first step of an activation, s = 2 mean|x| / sqrt(qmax), as the range of its codes.
class MeanMagnitudeObserver : public Observer {
 public:
  void observe(std::span<const float> values, const MinMax& seen) override {
    for (float x : values) sum_ += std::fabs(static_cast<double>(x));
    count_ += static_cast<double>(values.size());
    has_negative_ = has_negative_ || (!values.empty() && seen.min < 0);
  }
  void merge(const Observer& later) override {
    const auto& other = dynamic_cast<const MeanMagnitudeObserver&>(later);
    sum_ += other.sum_;
    count_ += other.count_;
    has_negative_ = has_negative_ || other.has_negative_;
  }
  Range range(const RangeRequest& request) const override {
    require_values(count_ > 0);
    const bool is_signed = request.is_symmetric || has_negative_;
    const double qmax = std::max(1.0, std::exp2(request.bits - (is_signed ? 1 : 0)) - 1);
    const auto high = static_cast<float>(2 * (sum_ / count_) * std::sqrt(qmax));
    return {is_signed ? -high : 0, high};
  }

 private:
  double sum_ = 0, count_ = 0;
  bool has_negative_ = false;
};

HALFTONE_REGISTER(ObserverKind, "minmax", "Smallest and largest value seen", "",
                  [] { return std::unique_ptr<Observer>(std::make_unique<MinMaxObserver>()); });
HALFTONE_REGISTER(ObserverKind, "ema",
                  "Moving average (0.99) of each batch's smallest and largest value",
                  "Jacob et al. 2018, arXiv 1712.05877", [] {
                    return std::unique_ptr<Observer>(std::make_unique<MovingAverageObserver>());
                  });
HALFTONE_REGISTER(ObserverKind, "avg-minmax",
                  "Mean over batches of each one's smallest and largest value",
                  "Wei et al. 2022, arXiv 2203.05740", [] {
                    return std::unique_ptr<Observer>(std::make_unique<MeanOfExtremesObserver>());
                  });
HALFTONE_REGISTER(ObserverKind, "mean-magnitude",
                  "The first step size of LSQ, 2 mean|x| / sqrt(qmax); rough above 4 bits",
                  "Esser et al. 2020, arXiv 1902.08153", [] {
                    return std::unique_ptr<Observer>(std::make_unique<MeanMagnitudeObserver>());
                  });

}  // namespace
}  // namespace halftone

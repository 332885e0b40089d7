// Observers that keep a histogram: percentile, least error, the better of the two, and entropy (KL
// divergence).
#include <algorithm>
#include <cmath>
#include <functional>

#include "halftone/quant/histogram.h"
#include "halftone/quant/observer.h"
#include "halftone/quant/spec.h"

namespace halftone {
namespace {

using Choose = Range (*)(const Histogram&, const RangeRequest&);

class HistogramObserver : public Observer {
 public:
  explicit HistogramObserver(Choose choose) : choose_(choose) {}
  void observe(std::span<const float> values, const MinMax& extremes) override {
    histogram_.add(values, extremes);
  }
  void merge(const Observer& later) override {
    histogram_.merge(dynamic_cast<const HistogramObserver&>(later).histogram_);
  }
  Range range(const RangeRequest& request) const override {
    if (histogram_.count() == 0) throw Error("no value was observed");
    return choose_(histogram_, request);
  }

 private:
  Histogram histogram_;
  Choose choose_;
};

Range widest(const Histogram& histogram, const RangeRequest& request) {
  const float low = std::min(histogram.min(), 0.0f), high = std::max(histogram.max(), 0.0f);
  if (!request.is_symmetric) return {low, high};
  const float magnitude = std::max(-low, high);
  return {-magnitude, magnitude};
}

// --- percentile: leaves out the same share of values at either end that has any
// ---------------------------------------

// Smallest t with P(x <= t) >= share, interpolated inside the bin.
double quantile(const Histogram& histogram, double share) {
  const double wanted = share * static_cast<double>(histogram.count());
  double below = 0;
  for (const Histogram::Bin& bin : histogram.bins()) {
    if (below + bin.count >= wanted) {
      if (bin.value == 0) return 0;
      return bin.value + histogram.bin_width() * ((wanted - below) / bin.count - 0.5);
    }
    below += bin.count;
  }
  return histogram.max();
}

Range percentile(const Histogram& histogram, const RangeRequest& request) {
  const double left_out = request.bits >= 8 ? 1e-4 : 1e-3;
  Range range = widest(histogram, {request.bits, false});
  if (range.high > 0)
    range.high =
        std::min(range.high, static_cast<float>(std::max(0.0, quantile(histogram, 1 - left_out))));
  if (range.low < 0)
    range.low =
        std::max(range.low, static_cast<float>(std::min(0.0, quantile(histogram, left_out))));
  if (!request.is_symmetric) return range;
  const float magnitude = std::max(-range.low, range.high);
  return {-magnitude, magnitude};
}

// --- mse: least sum of |x - x'|^2.4
// ------------------------------------------------------------------------------------

// Exponent of the BRECQ and QDrop authors' code.
constexpr double kNorm = 2.4;

// Sum of |x - x'|^norm.
double error_of(const std::vector<Histogram::Bin>& bins, Range range, int bits,
                double norm = kNorm) {
  const QuantParams params = affine_params(range.low, range.high, bits, full_range(bits, false));
  const double scale = params.scales[0];
  const double low = -params.zero_points[0], high = low + params.range.qmax;
  double total = 0;
  for (const Histogram::Bin& bin : bins) {
    const double code = std::clamp(std::nearbyint(bin.value / scale), low, high);
    const double error = bin.value - code * scale;
    if (error != 0) total += bin.count * std::exp2(norm / 2 * std::log2(error * error));
  }
  return total;
}

// The factor in (0, 1] with the least `cost`: a coarse scan, then a fine one around the best.
double best_factor(const std::function<double(double)>& cost) {
  double best = 1, least = cost(1);
  auto scan = [&](double from, double to, double step) {
    for (double factor = from; factor <= to + step / 2; factor += step) {
      if (factor <= 0 || factor > 1) continue;
      const double value = cost(factor);
      if (value < least) least = value, best = factor;
    }
  };
  scan(0.02, 0.99, 0.02);
  const double coarse = best;
  scan(coarse - 0.018, coarse + 0.018, 0.002);
  return best;
}

Range least_error(const Histogram& histogram, const RangeRequest& request) {
  const auto bins = histogram.bins();
  Range range = widest(histogram, request);
  auto scaled = [&](double low_factor, double high_factor) {
    return Range{static_cast<float>(range.low * low_factor),
                 static_cast<float>(range.high * high_factor)};
  };
  if (request.is_symmetric || range.low == 0 || range.high == 0) {
    const double factor =
        best_factor([&](double f) { return error_of(bins, scaled(f, f), request.bits); });
    return scaled(factor, factor);
  }
  // Both ends move: shrink them together first, then one after the other.
  double low = best_factor([&](double f) { return error_of(bins, scaled(f, f), request.bits); });
  double high = low;
  for (int round = 0; round < 2; ++round) {
    high = best_factor([&](double f) { return error_of(bins, scaled(low, f), request.bits); });
    low = best_factor([&](double f) { return error_of(bins, scaled(f, high), request.bits); });
  }
  return scaled(low, high);
}

// --- entropy: least Kullback-Leibler divergence of the clipped, coarsened distribution from the
// clipped one ---------------

// counts[0..n) against itself in `levels` groups, the tail folded into the last bin of the former.
double divergence(const std::vector<double>& counts, size_t n, size_t levels) {
  std::vector<double> p(counts.begin(), counts.begin() + static_cast<int64_t>(n));
  for (size_t i = n; i < counts.size(); ++i) p[n - 1] += counts[i];
  std::vector<double> q(n, 0);
  double total_p = 0, total_q = 0;
  for (size_t k = 0; k < levels; ++k) {
    const size_t first = k * n / levels, end = (k + 1) * n / levels;
    double sum = 0, used = 0;
    for (size_t i = first; i < end; ++i) sum += counts[i], used += counts[i] > 0;
    for (size_t i = first; i < end; ++i)
      if (counts[i] > 0) q[i] = sum / used;
    total_q += sum;
  }
  for (double value : p) total_p += value;
  if (total_q == 0) return HUGE_VAL;
  double result = 0;
  constexpr double kSmoothing = 1e-4;  // mass given to what q does not cover
  for (size_t i = 0; i < n; ++i)
    if (p[i] > 0) {
      const double share = p[i] / total_p;
      result += share * std::log(share / (q[i] > 0 ? q[i] / total_q : kSmoothing));
    }
  return result;
}

Range entropy(const Histogram& histogram, const RangeRequest& request) {
  const Range all = widest(histogram, request);
  const auto counts = histogram.magnitudes();
  const bool is_one_sided = all.low == 0 || all.high == 0;
  const auto levels = static_cast<size_t>(1) << (is_one_sided ? request.bits : request.bits - 1);
  size_t last = counts.size();
  while (last > 0 && counts[last - 1] == 0) --last;
  if (last <= levels) return all;
  size_t best = last;
  double least = HUGE_VAL;
  for (size_t n = levels; n <= last; ++n) {
    const double value = divergence(counts, n, levels);
    if (value < least) least = value, best = n;
  }
  const auto threshold =
      static_cast<float>((static_cast<double>(best) + 0.5) * histogram.bin_width());
  return {std::max(all.low, -threshold), std::min(all.high, threshold)};
}

// --- best: percentile or mse, whichever has the smaller squared error
// ---------------------------------------------------

Range best(const Histogram& histogram, const RangeRequest& request) {
  const auto bins = histogram.bins();
  const Range a = least_error(histogram, request), b = percentile(histogram, request);
  return error_of(bins, b, request.bits, 2) < error_of(bins, a, request.bits, 2) ? b : a;
}

template <Choose choose>
std::unique_ptr<Observer> make() {
  return std::make_unique<HistogramObserver>(choose);
}

HALFTONE_REGISTER(ObserverKind, "percentile",
                  "Leaves out the outermost values (0.01 % at 8 bits, 0.1 % below)", "",
                  make<percentile>);
HALFTONE_REGISTER(ObserverKind, "mse", "Range with the least quantization error over a histogram",
                  "Li et al. 2021 (BRECQ), arXiv 2102.05426", make<least_error>);
HALFTONE_REGISTER(ObserverKind, "best",
                  "percentile or mse for each site, whichever has the smaller squared error", "",
                  make<best>);
HALFTONE_REGISTER(ObserverKind, "entropy",
                  "Range that keeps the distribution (KL divergence); meant for 8 bits",
                  "Migacz, 8-bit inference with TensorRT, GTC 2017", make<entropy>);

}  // namespace
}  // namespace halftone

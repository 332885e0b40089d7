// Bits that are decided again during training (QBitOpt, Peters et al. 2023, arXiv 2307.04535): the
// part that knows nothing of a trainer.
//
//   Reallocation bits(sites, budget, {.interval = 250, .warm_up = 500, .last = 6000});
//   for (int64_t step = 1; step <= steps; ++step) {
//     ...                                              // backward
//     bits.observe(squared_gradients);
//     if (bits.is_due(step)) for (size_t site : bits.solve(noise)) ...   // its width has changed
//   }
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "halftone/allocate/budget.h"

namespace halftone {

struct ReallocationOptions {
  int64_t interval = 250;    // steps between solves, >= 1
  int64_t warm_up = 0;       // no solve up to this step
  int64_t last = INT64_MAX;  // nor after this one: bits are frozen
  double momentum = 0.99;    // of the moving averages, 0 to below 1
  double hysteresis = 0.01;  // a plan must lower the predicted loss by this part to replace another
  std::string solver = "exact";
};

class Reallocation {
 public:
  // Starts at the widest uniform plan that fits: every site at its least width, raised in turns.
  // Throws Error with "smallest feasible" where nothing fits, UsageError for options out of range.
  Reallocation(AllocationSites sites, Budget budget, ReallocationOptions options);

  // One step's squared gradients of the loss of one sample, summed over a tensor's elements, by
  // site; of free sites all, finite and >= 0.
  void observe(const std::map<std::string, double>& squared_gradients);

  // Whether the bits are to be decided at this step, counted from 1.
  bool is_due(int64_t step) const;

  // noise: mean squared quantization error of an element at each width, by free site. Decides the
  // bits by half of noise times the averages and returns the positions of the sites whose width
  // changed; none within the hysteresis (the first solve is taken always). Before and after, the
  // budget holds.
  std::vector<size_t> solve(const std::map<std::string, std::map<int, double>>& noise);

  const AllocationSites& sites() const { return sites_; }
  const std::vector<int>& bits() const { return bits_; }  // by site
  // The bias-corrected moving average of each free site.
  std::map<std::string, double> averages() const;

  // What a checkpoint keeps beside the options.
  struct State {
    std::vector<int> bits;
    std::map<std::string, double> sums;
    int64_t observed = 0;
    bool is_solved = false;
    bool operator==(const State&) const = default;
  };
  State state() const { return {bits_, sums_, observed_, is_solved_}; }
  // Throws Error where it is of other sites or passes the budget.
  void restore(State state);

 private:
  AllocationSites sites_;
  Budget budget_;
  ReallocationOptions options_;
  std::vector<int> bits_;
  std::map<std::string, double> sums_;  // moving averages from 0 on
  int64_t observed_ = 0;
  bool is_solved_ = false;
};

}  // namespace halftone

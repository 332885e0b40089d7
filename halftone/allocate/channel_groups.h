// Bits for groups of output channels instead of whole weights: channels that lose alike share them.
//
//   const ChannelSplits splits = channel_splits(graph, placement, profile, sites, threads);
//   const SplitSites split = split_channels(sites, splits, losses);
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/allocate/budget.h"

namespace halftone {

// Of one weight. Groups have (but for one channel) equal numbers of channels and are in the order
// of the noise that rounding to the least width makes; at most kMostGroups, of 4 channels or more.
struct ChannelSplit {
  static constexpr size_t kMostGroups = 4;
  std::vector<std::vector<int>> groups;      // output channels, each in one group
  std::map<int, std::vector<double>> noise;  // by width: each group's part of the weight's squared
                                             // rounding error; sums to 1
};
using ChannelSplits = std::map<std::string, ChannelSplit>;  // by site

// Of every free weight with a scale for each channel, eight channels or more and no tie.
ChannelSplits channel_splits(const Graph& graph, const Placement& placement, const Profile& profile,
                             const AllocationSites& sites, int threads);

// `sites` with a site for each group ("conv1.weight[0]") in the place of its weight, and their
// losses: the weight's, by their parts of the noise (a loss that is quadratic in the error, of one
// curvature throughout the weight). losses: by site and width.
struct SplitSites {
  AllocationSites sites;
  std::vector<std::map<int, double>> losses;
};
SplitSites split_channels(const AllocationSites& sites, const ChannelSplits& splits,
                          const std::vector<std::map<int, double>>& losses);

}  // namespace halftone

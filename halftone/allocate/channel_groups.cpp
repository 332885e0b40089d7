#include "halftone/allocate/channel_groups.h"

#include <algorithm>
#include <numeric>

#include "halftone/base/ordered_parallel.h"
#include "halftone/quant/quant_tensor.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {
namespace {

constexpr size_t kLeastChannels = 4;  // of a group

// Squared rounding error of each output channel, with scales of least squared error.
std::vector<double> channel_noise(const Tensor& weight, int axis, int bits,
                                  const Profile& profile) {
  const QuantParams params = weight_params(weight, axis, bits, weight_codes(profile, bits, false),
                                           WeightScale::kMse, "a weight");
  const auto values = weight.to_vector<float>();
  const auto rounded =
      dequantize_tensor(quantize_tensor(weight, params, "a weight")).to_vector<float>();
  std::vector<double> noise(params.scales.size());
  each_scale_run(weight.shape(), params, [&](size_t first, size_t count, size_t channel) {
    for (size_t i = first; i < first + count; ++i) {
      const double error = static_cast<double>(rounded[i]) - static_cast<double>(values[i]);
      noise[channel] += error * error;
    }
  });
  return noise;
}

std::vector<std::vector<int>> grouped(const std::vector<double>& noise) {
  std::vector<int> order(noise.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int c) { return noise[static_cast<size_t>(c)]; });
  const size_t count = std::min(ChannelSplit::kMostGroups, order.size() / kLeastChannels);
  std::vector<std::vector<int>> groups;
  for (size_t g = 0; g < count; ++g) {
    groups.emplace_back(order.begin() + static_cast<long>(order.size() * g / count),
                        order.begin() + static_cast<long>(order.size() * (g + 1) / count));
    std::ranges::sort(groups.back());
  }
  return groups;
}

ChannelSplit split_of(const Tensor& weight, int axis, const std::vector<int>& widths,
                      const Profile& profile) {
  ChannelSplit split;
  for (int width : widths) {
    const auto noise = channel_noise(weight, axis, width, profile);
    if (split.groups.empty()) split.groups = grouped(noise);
    const double total = std::accumulate(noise.begin(), noise.end(), 0.0);
    for (const auto& group : split.groups) {
      double part = static_cast<double>(group.size()) / static_cast<double>(noise.size());
      if (total > 0) {
        part = 0;
        for (int c : group) part += noise[static_cast<size_t>(c)] / total;
      }
      split.noise[width].push_back(part);
    }
  }
  return split;
}

AllocationSite part_of(const AllocationSite& weight, const ChannelSplit& split, size_t group) {
  AllocationSite part = weight;
  part.name = text(weight.name, "[", group, "]");
  part.weight = weight.name;
  part.channels = split.groups[group];
  part.all_channels = 0;
  for (const auto& channels : split.groups) part.all_channels += channels.size();
  const auto size = static_cast<int64_t>(part.channels.size());
  const auto all = static_cast<int64_t>(part.all_channels);
  part.elements = weight.elements / all * size;
  part.macs = weight.macs / static_cast<uint64_t>(all) * static_cast<uint64_t>(size);
  part.parameter_bytes = weight.parameter_bytes / all * size;
  return part;
}

}  // namespace

ChannelSplits channel_splits(const Graph& graph, const Placement& placement, const Profile& profile,
                             const AllocationSites& sites, int threads) {
  std::vector<const AllocationSite*> weights;
  for (const AllocationSite& site : sites.sites) {
    if (site.kind != SiteKind::kWeight || site.is_fixed() || !site.group.empty()) continue;
    const int axis = placement.find(site.name, site.kind)->axis;
    const Shape& shape = graph.initializers.at(site.name).shape();
    if (axis >= 0 && shape[static_cast<size_t>(axis)] >= static_cast<int64_t>(2 * kLeastChannels))
      weights.push_back(&site);
  }
  ChannelSplits splits;
  ordered_parallel<ChannelSplit>(
      weights.size(), threads,
      [&](size_t i) {
        const AllocationSite& site = *weights[i];
        return split_of(graph.initializers.at(site.name),
                        placement.find(site.name, site.kind)->axis, site.widths, profile);
      },
      [&](size_t i, ChannelSplit split) { splits.emplace(weights[i]->name, std::move(split)); });
  return splits;
}

SplitSites split_channels(const AllocationSites& sites, const ChannelSplits& splits,
                          const std::vector<std::map<int, double>>& losses) {
  SplitSites result{sites, {}};
  result.sites.sites.clear();
  result.sites.products.clear();
  std::vector<std::vector<int>> places(sites.sites.size());  // of each site's parts
  for (size_t i = 0; i < sites.sites.size(); ++i) {
    const AllocationSite& site = sites.sites[i];
    const auto found = splits.find(site.name);
    const bool is_split = site.kind == SiteKind::kWeight && found != splits.end();
    const size_t parts = is_split ? found->second.groups.size() : 1;
    for (size_t g = 0; g < parts; ++g) {
      places[i].push_back(static_cast<int>(result.sites.sites.size()));
      result.sites.sites.push_back(is_split ? part_of(site, found->second, g) : site);
      result.losses.push_back(losses[i]);
      if (is_split)
        for (auto& [width, loss] : result.losses.back()) loss *= found->second.noise.at(width)[g];
    }
  }
  for (const Product& product : sites.products) {
    Product part = product;
    if (product.activation >= 0)
      part.activation = places[static_cast<size_t>(product.activation)][0];
    if (product.weight < 0) {
      result.sites.products.push_back(part);
      continue;
    }
    for (int place : places[static_cast<size_t>(product.weight)]) {
      const AllocationSite& weight = result.sites.sites[static_cast<size_t>(place)];
      part.weight = place;
      if (!weight.channels.empty())
        part.macs = product.macs / weight.all_channels * weight.channels.size();
      result.sites.products.push_back(part);
    }
  }
  return result;
}

}  // namespace halftone

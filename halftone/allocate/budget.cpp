#include "halftone/allocate/budget.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "halftone/base/units.h"
#include "halftone/export/packed_weight.h"
#include "halftone/graph/blocks.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"
#include "halftone/graph/passes/separate_skips.h"
#include "halftone/ptq/site_bits.h"

namespace halftone {
namespace {

// Codes that are stored in so many bits.
int64_t stored_bytes(int64_t elements, int stored) {
  if (stored == 8 || stored == 4 || stored == 2) return (elements * stored + 7) / 8;
  return stored * ((elements + 7) / 8);  // a plane for each bit
}

int64_t packed_bytes(int64_t elements, int bits) {
  return stored_bytes(elements, storage_widths({bits}, elements)[0]);
}

// What brings a channel of one width back to its place among others.
size_t joining_bytes(size_t channels) { return channels == 0 ? 0 : channels <= 256 ? 1 : 2; }

// A weight whose channels have several widths, packed group by group.
int64_t packed_bytes(const std::vector<int>& channel_bits, int64_t channel_elements) {
  std::map<int, int64_t> channels;
  for (int bits : storage_widths(channel_bits, channel_elements)) ++channels[bits];
  int64_t bytes = 0;
  for (const auto& [bits, count] : channels) bytes += stored_bytes(count * channel_elements, bits);
  if (channels.size() > 1)
    bytes += static_cast<int64_t>(channel_bits.size() * joining_bytes(channel_bits.size()));
  return bytes;
}

// A scale in float32 for each channel; a zero point too where the file keeps them (the compact form
// drops those of a Conv).
int64_t parameter_bytes_of(const Tensor& weight, int axis, const Node& reader) {
  const int64_t scales = axis < 0 ? 1 : weight.shape()[static_cast<size_t>(axis)];
  return scales * (reader.op_type == "Conv" ? 4 : 5);
}

std::map<std::string, QuantSpec> specs_at(const Graph& graph, const Placement& placement,
                                          const Profile& profile, const AllocationChoices& choices,
                                          int weights, int activations) {
  return site_specs(graph, placement, profile,
                    {.weights = weights, .activations = activations, .fixes = choices.fixes});
}

// The widths of a site: those that are asked for where it follows the general width, else the one
// that the defaults or a fix give.
std::vector<int> widths_of(const std::vector<int>& wanted, int at_two, int at_three) {
  return at_two == at_three ? std::vector<int>{at_two} : wanted;
}

class Collector {
 public:
  Collector(const Graph& graph, const Placement& placement, const Profile& profile,
            const AllocationChoices& choices)
      : graph_(graph), placement_(placement), choices_(choices), cost_(cost_of(graph)) {
    const bool has_narrow = profile.narrow_activation != NarrowActivation::kNone;
    at_two_ = specs_at(graph, placement, profile, choices, 2, has_narrow ? 2 : 8);
    at_three_ = specs_at(graph, placement, profile, choices, 3, has_narrow ? 3 : 8);
    specs_at(graph, placement, profile, choices, choices.widths.front(),
             choices.activations);  // throws for what the target cannot
  }

  AllocationSites collect() {
    add_activations();
    add_weights();
    add_products();
    group_blocks();
    tie();
    return std::move(result_);
  }

 private:
  void add_activations() {
    const std::vector<int> wanted = choices_.activation_widths.empty()
                                        ? std::vector<int>{choices_.activations}
                                        : choices_.activation_widths;
    for (const Site& site : placement_.sites) {
      if (site.kind != SiteKind::kActivation) continue;
      const auto [found, is_new] =
          activations_.emplace(site.shares_with, static_cast<int>(result_.sites.size()));
      if (is_new) {
        const auto widths = widths_of(wanted, at_two_.at(site.shares_with).bits,
                                      at_three_.at(site.shares_with).bits);
        result_.sites.push_back({.name = site.shares_with,
                                 .kind = SiteKind::kActivation,
                                 .widths = widths,
                                 .sharing = {}});
      }
      AllocationSite& owner = result_.sites[static_cast<size_t>(found->second)];
      owner.sharing.push_back(site.name);
      owner.elements += sample_elements(graph_, site.name);
    }
  }

  void add_weights() {
    for (const Site& site : placement_.sites) {
      if (site.kind != SiteKind::kWeight) continue;
      const Tensor& weight = graph_.initializers.at(site.name);
      weights_[site.name] = static_cast<int>(result_.sites.size());
      result_.sites.push_back(
          {.name = site.name,
           .kind = SiteKind::kWeight,
           .widths =
               widths_of(choices_.widths, at_two_.at(site.name).bits, at_three_.at(site.name).bits),
           .elements = weight.count(),
           .sharing = {},
           .parameter_bytes = parameter_bytes_of(weight, site.axis,
                                                 graph_.nodes[static_cast<size_t>(site.node)])});
    }
  }

  void add_products() {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (!is_weighted(node) || node.inputs.size() < 2 || !graph_.constant(node.inputs[1]))
        continue;
      const std::string name = node.name.empty() ? node.outputs[0] : node.name;
      const auto layer = std::ranges::find_if(cost_.layers, [&](const LayerCost& l) {
        return l.name == name && l.weight == node.inputs[1];
      });
      Product product{.macs = layer == cost_.layers.end() ? 0 : layer->macs};
      const auto weight = weights_.find(node.inputs[1]);
      if (weight != weights_.end())
        product.weight = weight->second;
      else
        product.weight_bits = count_float_weight(node);
      const Site* input = placement_.is_integer[i]
                              ? placement_.find(node.inputs[0], SiteKind::kActivation)
                              : nullptr;
      if (input) product.activation = activations_.at(input->shares_with);
      for (int site : {product.weight, product.activation})
        if (site >= 0) result_.sites[static_cast<size_t>(site)].macs += product.macs;
      result_.products.push_back(product);
    }
  }

  // A weight belongs to the block of its node, an activation to that of the node that makes it, or
  // the skip that it is a copy of.
  void group_blocks() {
    if (choices_.granularity != Granularity::kBlock) return;
    std::map<int, std::string> block_of;
    for (const Block& block : partition_blocks(graph_))
      for (int node : block.nodes) block_of[node] = block.name;
    const Links links(graph_);
    for (AllocationSite& site : result_.sites) {
      int node = placement_.find(site.name, site.kind)->node;
      if (site.kind == SiteKind::kActivation && node >= 0) {
        const Node& maker = graph_.nodes[static_cast<size_t>(node)];
        if (is_skip_copy(maker)) node = links.producer(maker.inputs[0]);
      }
      if (const auto block = block_of.find(node); block != block_of.end())
        site.group = block->second;
    }
  }

  void tie() {
    for (const std::string& pattern : choices_.ties) {
      size_t count = 0;
      for (AllocationSite& site : result_.sites) {
        if (site.is_fixed() || !matches(pattern, site.name)) continue;
        site.group = pattern;
        ++count;
      }
      if (count == 0)
        throw UsageError("--tie ", pattern, ": no site whose bits are free matches it");
    }
  }

  // A weight whose operator stays in float is stored in 8 bits, where it is more than a vector.
  // Returns its bits.
  int count_float_weight(const Node& node) {
    const Tensor& weight = *graph_.constant(node.inputs[1]);
    const int axis = output_channel_axis(node, weight.rank());
    const bool is_stored_in_8 = weight.dtype() == DType::kFloat && weight.rank() >= 2 &&
                                (axis >= 0 || node.op_type == "ConvTranspose");
    if (result_.other_weights.insert(node.inputs[1]).second)
      result_.other_weight_bytes += is_stored_in_8
                                        ? weight.count() + parameter_bytes_of(weight, axis, node)
                                        : static_cast<int64_t>(weight.bytes().size());
    return is_stored_in_8 ? 8 : 32;
  }

  const Graph& graph_;
  const Placement& placement_;
  const AllocationChoices& choices_;
  const Cost cost_;
  std::map<std::string, QuantSpec> at_two_, at_three_;
  std::map<std::string, int> activations_, weights_;  // positions by name
  AllocationSites result_;
};

int64_t bops_of(const Product& product, const std::vector<int>& bits) {
  const int weight =
      product.weight < 0 ? product.weight_bits : bits[static_cast<size_t>(product.weight)];
  const int activation = product.activation < 0 ? product.activation_bits
                                                : bits[static_cast<size_t>(product.activation)];
  return static_cast<int64_t>(product.macs) * weight * activation;
}

// The largest whole number of bits with this average. 2.9999999 is not 3, but 3 may have been
// computed.
int64_t total_bits(double average, int64_t elements) {
  return static_cast<int64_t>(std::floor(average * static_cast<double>(elements) * (1 + 1e-12)));
}

int64_t free_elements(const AllocationSites& sites, SiteKind kind) {
  int64_t elements = 0;
  for (const AllocationSite& site : sites.sites)
    if (site.kind == kind && !site.is_fixed()) elements += site.elements;
  return elements;
}

// What each site's width costs under one limit, and what is left of the limit for the free sites of
// a kind.
struct Row {
  int64_t limit = 0;
  std::function<int64_t(size_t site, int bits)> cost;
};

std::vector<Row> rows_of(const AllocationSites& sites, SiteKind kind, const std::vector<int>& bits,
                         const Budget& budget) {
  std::vector<Row> rows;
  const bool is_weight = kind == SiteKind::kWeight;
  const auto average = is_weight ? budget.average_weight_bits : budget.average_activation_bits;
  if (average)
    rows.push_back({total_bits(*average, free_elements(sites, kind)),
                    [&](size_t i, int b) { return sites.sites[i].elements * b; }});
  if (is_weight && budget.weight_bytes) {
    int64_t limit = *budget.weight_bytes - sites.other_weight_bytes;
    for (const AllocationSite& site : sites.sites)
      if (site.kind == kind && site.is_fixed()) limit -= site.bytes_at(site.widths[0]);
    rows.push_back({limit, [&](size_t i, int b) { return sites.sites[i].bytes_at(b); }});
  }
  if (budget.bops) {
    // Layers by the free site of this kind that they read: BOPs of one bit of it.
    std::vector<int64_t> a_bit(sites.sites.size());
    int64_t limit = *budget.bops;
    for (const Product& product : sites.products) {
      const int site = is_weight ? product.weight : product.activation;
      if (site < 0 || sites.sites[static_cast<size_t>(site)].is_fixed()) {
        limit -= bops_of(product, bits);
        continue;
      }
      std::vector<int> one = bits;
      one[static_cast<size_t>(site)] = 1;
      a_bit[static_cast<size_t>(site)] += bops_of(product, one);
    }
    rows.push_back({limit, [a_bit](size_t i, int b) { return a_bit[i] * b; }});
  }
  return rows;
}

std::string bits_text(double bits) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4f", std::ceil(bits * 1e4) / 1e4);
  return buffer;
}

}  // namespace

int64_t AllocationSite::bytes_at(int bits) const {
  const auto joined = static_cast<int64_t>(channels.size() * joining_bytes(all_channels));
  return packed_bytes(elements, bits) + joined + parameter_bytes;
}

int64_t sample_elements(const Graph& graph, const std::string& value) {
  const auto shape = graph.type(value).shape;
  int64_t count = 1;
  if (shape)
    for (size_t i = 1; i < shape->size(); ++i)
      if ((*shape)[i].known()) count *= (*shape)[i].value;
  return count;
}

std::vector<int> sorted_widths(std::vector<int> widths) {
  std::ranges::sort(widths);
  widths.erase(std::ranges::unique(widths).begin(), widths.end());
  return widths;
}

AllocationSites allocation_sites(const Graph& graph, const Placement& placement,
                                 const Profile& profile, const AllocationChoices& choices) {
  return Collector(graph, placement, profile, choices).collect();
}

std::map<std::string, std::vector<int>> channel_bits_of(const AllocationSites& sites,
                                                        const std::vector<int>& bits) {
  std::map<std::string, std::vector<int>> result;
  for (size_t i = 0; i < bits.size(); ++i) {
    const AllocationSite& site = sites.sites[i];
    if (site.channels.empty()) continue;
    auto& all = result[site.weight];
    all.resize(site.all_channels);
    for (int c : site.channels) all[static_cast<size_t>(c)] = bits[i];
  }
  return result;
}

BudgetUse use_of(const AllocationSites& sites, const std::vector<int>& bits) {
  BudgetUse use{.weight_bytes = sites.other_weight_bytes};
  std::map<std::string, int64_t> channel_elements;  // of weights in groups
  struct Sum {
    double bits = 0, elements = 0;
    double mean() const { return elements > 0 ? bits / elements : 8; }
  } weights, all_weights, activations;
  for (size_t i = 0; i < bits.size(); ++i) {
    const AllocationSite& site = sites.sites[i];
    const bool is_weight = site.kind == SiteKind::kWeight;
    if (!site.channels.empty()) {
      channel_elements[site.weight] = site.elements / static_cast<int64_t>(site.channels.size());
      use.weight_bytes += site.parameter_bytes;
    } else if (is_weight) {
      use.weight_bytes += site.bytes_at(bits[i]);
    }
    auto add = [&](Sum& sum) {
      sum.bits += static_cast<double>(site.elements) * bits[i];
      sum.elements += static_cast<double>(site.elements);
    };
    if (is_weight) add(all_weights);
    if (!site.is_fixed()) add(is_weight ? weights : activations);
  }
  for (const auto& [weight, all] : channel_bits_of(sites, bits)) {
    const bool is_one = std::ranges::count(all, all[0]) == std::ssize(all);
    const int64_t elements = channel_elements.at(weight);
    use.weight_bytes +=
        is_one ? packed_bytes(elements * std::ssize(all), all[0]) : packed_bytes(all, elements);
  }
  for (const Product& product : sites.products) use.bops += bops_of(product, bits);
  use.average_weight_bits = weights.mean();
  use.all_average_weight_bits = all_weights.mean();
  use.average_activation_bits = activations.mean();
  return use;
}

bool is_within(const BudgetUse& use, const Budget& budget) {
  return (!budget.weight_bytes || use.weight_bytes <= *budget.weight_bytes) &&
         (!budget.bops || use.bops <= *budget.bops) &&
         (!budget.average_weight_bits ||
          use.average_weight_bits <= *budget.average_weight_bits * kMeanRounding) &&
         (!budget.average_activation_bits ||
          use.average_activation_bits <= *budget.average_activation_bits * kMeanRounding);
}

std::vector<int> least_bits(const AllocationSites& sites) {
  std::vector<int> bits;
  for (const AllocationSite& site : sites.sites) bits.push_back(site.widths.front());
  return bits;
}

std::vector<int> uniform_bits(const AllocationSites& sites, const Budget& budget) {
  std::vector<int> best = least_bits(sites);
  for (int width = 1; width <= 8; ++width) {
    std::vector<int> bits = best;
    for (size_t i = 0; i < bits.size(); ++i)
      for (int other : sites.sites[i].widths)
        if (other <= width) bits[i] = std::max(bits[i], other);
    if (!is_within(use_of(sites, bits), budget)) break;
    best = std::move(bits);
  }
  return best;
}

void require_feasible(const AllocationSites& sites, const Budget& budget) {
  const BudgetUse use = use_of(sites, least_bits(sites));
  const char* remedy = "; give more, smaller --bits, or fewer fixed sites";
  if (budget.weight_bytes && use.weight_bytes > *budget.weight_bytes)
    throw Error("weights of ", format_bytes(static_cast<uint64_t>(*budget.weight_bytes)), " (",
                *budget.weight_bytes, " bytes) cannot be met: the smallest feasible is ",
                format_bytes(static_cast<uint64_t>(use.weight_bytes)), " (", use.weight_bytes,
                " bytes), with every site at its least width", remedy);
  if (budget.bops && use.bops > *budget.bops)
    throw Error(*budget.bops, " BOPs cannot be met: the smallest feasible is ", use.bops,
                ", with every site at its least width", remedy);
  auto require_average = [&](const std::optional<double>& limit, double found, const char* what) {
    if (limit && found > *limit * kMeanRounding)
      throw Error("an average of ", *limit, " ", what,
                  " bits cannot be met: the smallest feasible is ", bits_text(found),
                  ", with every site at its least width", remedy);
  };
  require_average(budget.average_weight_bits, use.average_weight_bits, "weight");
  require_average(budget.average_activation_bits, use.average_activation_bits, "activation");
}

std::vector<Tied> variables_of(const AllocationSites& sites, SiteKind kind) {
  std::vector<Tied> variables;
  std::map<std::string, size_t> of_group;
  for (size_t i = 0; i < sites.sites.size(); ++i) {
    const AllocationSite& site = sites.sites[i];
    if (site.kind != kind || site.is_fixed()) continue;
    const auto known = of_group.find(site.group);
    if (!site.group.empty() && known != of_group.end()) {
      variables[known->second].push_back(i);
      continue;
    }
    of_group[site.group] = variables.size();
    variables.push_back({i});
  }
  return variables;
}

AllocationProblem problem_of(const AllocationSites& sites, SiteKind kind,
                             const std::vector<int>& bits, const Budget& budget,
                             const std::vector<std::map<int, double>>& losses) {
  const auto rows = rows_of(sites, kind, bits, budget);
  AllocationProblem problem;
  for (const Row& row : rows) problem.limits.push_back(row.limit);
  for (const Tied& tied : variables_of(sites, kind)) {
    problem.sites.emplace_back();
    for (int width : sites.sites[tied[0]].widths) {
      Choice choice{width, 0, std::vector<int64_t>(rows.size())};
      for (size_t site : tied) {
        choice.loss += losses[site].at(width);
        for (size_t k = 0; k < rows.size(); ++k) choice.costs[k] += rows[k].cost(site, width);
      }
      problem.sites.back().push_back(std::move(choice));
    }
  }
  return problem;
}

}  // namespace halftone

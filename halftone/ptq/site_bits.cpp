#include "halftone/ptq/site_bits.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include "halftone/base/nearest.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/passes/separate_skips.h"

namespace halftone {
namespace {

QuantSpec parse_fix_value(const std::string& fix, const std::string& value) {
  QuantSpec spec;
  if (value == "float") {
    spec.bits = 32;
    return spec;
  }
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), spec.bits);
  if (code != std::errc() || end != value.data() + value.size())
    throw UsageError("--fix ", fix, ": write it as SITE=BITS or SITE=float");
  return spec;
}

void apply_fix(const std::string& fix, std::map<std::string, QuantSpec>& specs) {
  const size_t split = fix.rfind('=');
  if (split == std::string::npos)
    throw UsageError("--fix ", fix, ": write it as SITE=BITS or SITE=float");
  const std::string pattern = fix.substr(0, split);
  const QuantSpec spec = parse_fix_value(fix, fix.substr(split + 1));
  bool is_used = false;
  for (auto& [site, present] : specs)
    if (matches(pattern, site)) {
      const QuantSpec before = std::exchange(present, spec);
      present.scheme = before.scheme;
      present.group = before.group;
      present.per_channel = before.per_channel;
      is_used = true;
    }
  if (is_used) return;
  std::vector<std::string> sites;
  for (const auto& entry : specs) sites.push_back(entry.first);
  throw UsageError("--fix ", fix, ": no site matches '", pattern, "'", did_you_mean(pattern, sites),
                   " (halftone inspect --sites lists the sites)");
}

void require_expressible(const std::string& site, SiteKind kind, const QuantSpec& spec,
                         const Profile& profile) {
  if (spec.is_float()) return;
  const bool is_weight = kind == SiteKind::kWeight;
  const int least = is_weight ? 1 : 2;
  if (spec.bits < least || spec.bits > 8)
    throw UsageError("site '", site, "': ", spec.bits, " bits for ",
                     is_weight ? "a weight" : "an activation", "; ", least,
                     " to 8, or 32 for float");
  if (!is_weight && spec.bits < 8 && profile.narrow_activation == NarrowActivation::kNone)
    throw UsageError("site '", site, "': the target ", profile.name, " has no exact form of ",
                     spec.bits, "-bit activations; use --activations 8");
  const bool is_known = !spec.scheme || *spec.scheme == Scheme::kAffine ||
                        (is_weight && *spec.scheme == Scheme::kSymmetric);
  if (!is_known)
    throw UsageError("site '", site, "': quantize does not take the scheme ",
                     to_string(*spec.scheme), " yet");
  if (!is_weight && !spec.channel_bits.empty())
    throw UsageError("site '", site,
                     "': an activation has one width; channel_bits are for weights");
  if (!is_weight && spec.group.value_or(0))
    throw UsageError("site '", site, "': groups are for weights, and this is an activation");
  if (!is_weight && spec.per_channel.value_or(false))
    throw UsageError("site '", site, "': an activation has one scale; per_channel is for weights");
  if (is_weight && spec.range_min)
    throw UsageError("site '", site,
                     "': scales of weights follow from their values; a range is for activations");
  if (spec.is_signed)
    throw UsageError("site '", site, "': the target ", profile.name,
                     " decides whether codes are signed; leave \"signed\" out");
}

// onnxruntime fuses groups of these sizes alone, measured on 1.32; the last group of a matrix may
// be shorter.
bool is_group(int group) {
  return group == 0 || (group >= 16 && std::has_single_bit(static_cast<unsigned>(group)));
}

std::string nearest_groups(int group) {
  if (group < 16) return "give 16";
  const unsigned below = std::bit_floor(static_cast<unsigned>(group));
  return text("give ", below, " or ", 2 * below);
}

void require_weight_only(const QuantizeOptions& options) {
  if (options.group && options.activations != 32)
    throw UsageError("--group ", options.group,
                     ": groups need float activations: add --activations 32");
  if (options.weight_scheme != Scheme::kSymmetric && options.activations != 32)
    throw UsageError("--weight-scheme ", to_string(options.weight_scheme),
                     ": zero points of weights need float activations: add --activations 32");
  if (!is_group(options.group))
    throw UsageError("--group ", options.group, ": groups are powers of two from 16 on; ",
                     nearest_groups(options.group));
}

// What a plan leaves open of a weight is as for all weights.
QuantSpec merged(QuantSpec spec, const QuantSpec& general) {
  if (!spec.scheme) spec.scheme = general.scheme;
  if (!spec.group) spec.group = general.group;
  return spec;
}

// Bits of each channel, where a plan gives them: one for each output channel.
void require_fitting_channels(const Graph& graph, const Site& site, const QuantSpec& spec) {
  if (spec.channel_bits.empty() || spec.is_float()) return;
  const Tensor& weight = graph.initializers.at(site.name);
  if (site.axis < 0 || !spec.per_channel.value_or(true))
    throw Error("site '", site.name, "' ", to_string(weight.shape()),
                " has one scale for all channels, so channel_bits do not fit it");
  const int64_t channels = weight.shape()[static_cast<size_t>(site.axis)];
  const auto given = static_cast<int64_t>(spec.channel_bits.size());
  if (given != channels)
    throw Error("site '", site.name, "' ", to_string(weight.shape()),
                ": channel_bits must name the bits of ", channels, " output channels (axis ",
                site.axis, "); ", given, " are given");
}

// What keeps 8 bits where others get fewer: the first and the last weighted layer with what they
// read, a small part of the network that costs most of the accuracy; and activations that no
// weighted layer reads (a branch before a residual Add), whose bits cost no multiplication.
void widen_defaults(const Placement& placement, const Graph& graph,
                    std::map<std::string, QuantSpec>& specs) {
  auto owner_of = [&](const std::string& name) {
    const Site* site = placement.find(name, SiteKind::kActivation);
    return site ? site->shares_with : std::string();
  };
  const Site* first = nullptr;
  const Site* last = nullptr;
  std::set<std::string> multiplied, wide;
  for (const Site& site : placement.sites) {
    if (site.kind != SiteKind::kWeight) continue;
    if (!first || site.node < first->node) first = &site;
    if (!last || site.node > last->node) last = &site;
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (placement.is_integer[i] && is_weighted(graph.nodes[i]))
      for (const std::string& input : graph.nodes[i].inputs) multiplied.insert(owner_of(input));
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kActivation && !multiplied.contains(site.shares_with))
      wide.insert(site.name);
  for (const Site* end : {first, last}) {
    if (!end) continue;
    const std::string owner = owner_of(graph.nodes[static_cast<size_t>(end->node)].inputs[0]);
    wide.insert(end->name);
    for (const Site& site : placement.sites)
      if (site.kind == SiteKind::kActivation && site.shares_with == owner) wide.insert(site.name);
  }
  for (const std::string& site : wide)
    if (const auto spec = specs.find(site); spec != specs.end())
      spec->second.bits = std::max(spec->second.bits, 8);
}

// A plan that keeps a budget speaks of every weight: one that does not was made for another
// network.
void require_all_weights(const Placement& placement, const QuantPlan& plan,
                         const std::string& source) {
  if (plan.budget.is_empty()) return;
  std::vector<std::string> missing;
  for (const Site& site : placement.sites)
    if (site.kind == SiteKind::kWeight && !plan.sites.contains(site.name))
      missing.push_back("'" + site.name + "'");
  if (missing.empty()) return;
  constexpr size_t kShown = 3;
  std::string names;
  for (size_t i = 0; i < std::min(kShown, missing.size()); ++i)
    names += (i ? ", " : "") + missing[i];
  throw Error("the plan '", source, "' keeps a budget and has no bits for ", missing.size(),
              " weights of this network: ", names, missing.size() > kShown ? ", ..." : "",
              "; it was made for another network. Allocate for this one, or remove \"budget\" "
              "from the plan");
}

}  // namespace

void require_float_readers(const Graph& graph, const Placement& placement,
                           const std::map<std::string, QuantSpec>& specs) {
  for (const Site& site : placement.sites) {
    if (site.kind != SiteKind::kWeight) continue;
    const QuantSpec& spec = specs.at(site.name);
    const int group = spec.group.value_or(0);
    const bool is_affine = spec.scheme == Scheme::kAffine;
    if (!site.is_weight_only && (group || is_affine)) {
      const Node& reader = graph.nodes[static_cast<size_t>(site.node)];
      throw Error(
          "site '", site.name, "': ", group ? text("groups of ", group) : "zero points",
          " need float activations, and ", reader.label(),
          " runs on integers; give --activations 32 (a plan may give single activations 8 bits)");
    }
    if (!is_group(group))
      throw Error("site '", site.name, "': groups of ", group,
                  " are not taken: they are powers of two from 16 on; ", nearest_groups(group));
    if (group && !spec.channel_bits.empty())
      throw Error("site '", site.name,
                  "': channel_bits and groups exclude each other; leave one out (\"group\": 0)");
    const bool has_binary =
        spec.bits == 1 || std::ranges::find(spec.channel_bits, 1) != spec.channel_bits.end();
    if (is_affine && has_binary)
      throw Error("site '", site.name,
                  "': one bit is a sign, without zero point; give 2 bits or more");
  }
}

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    for (size_t skip = 0; skip <= name.size(); ++skip)
      if (matches(pattern.substr(1), name.substr(skip))) return true;
    return false;
  }
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         matches(pattern.substr(1), name.substr(1));
}

QuantSpec default_spec(const Site& site, const QuantizeOptions& options) {
  QuantSpec spec;
  const bool is_weight = site.kind == SiteKind::kWeight;
  spec.bits = is_weight ? options.weights : options.activations;
  if (is_weight && options.group) spec.group = options.group;
  if (is_weight && options.weight_scheme != Scheme::kSymmetric) spec.scheme = options.weight_scheme;
  return spec;
}

std::map<std::string, QuantSpec> site_specs(const Graph& graph, const Placement& placement,
                                            const Profile& profile,
                                            const QuantizeOptions& options) {
  if (options.weights != 32 && (options.weights < 1 || options.weights > 8))
    throw UsageError("--weights ", options.weights, ": 1 to 8 bits, or 32 for float");
  if (options.activations != 32 && (options.activations < 2 || options.activations > 8))
    throw UsageError("--activations ", options.activations, ": 2 to 8 bits, or 32 for float");
  require_weight_only(options);
  std::map<std::string, QuantSpec> specs;
  std::set<std::string> known;
  for (const Site& site : placement.sites) {
    if (site.kind == SiteKind::kBias) continue;
    specs[site.name] = default_spec(site, options);
    known.insert(site.name);
  }
  if (options.activations != 32) widen_defaults(placement, graph, specs);
  std::set<std::string> skips;
  if (!options.shares_skips && options.activations != 32)
    for (const std::string& value : separable_skips(graph, placement, profile))
      skips.insert(skip_name(value));
  for (const std::string& skip : skips) specs[skip].bits = 8;
  known.insert(skips.begin(), skips.end());
  if (options.plan) {
    require_known_sites(*options.plan, known, options.plan_text, options.plan_source);
    require_all_weights(placement, *options.plan, options.plan_source);
    for (const auto& [site, spec] : options.plan->sites) specs[site] = merged(spec, specs.at(site));
  }
  for (const std::string& fix : options.fixes) apply_fix(fix, specs);
  for (const std::string& skip : skips)
    require_expressible(skip, SiteKind::kActivation, specs.at(skip), profile);
  for (const Site& site : placement.sites)
    if (site.kind != SiteKind::kBias) {
      require_expressible(site.name, site.kind, specs.at(site.name), profile);
      if (site.kind == SiteKind::kWeight)
        require_fitting_channels(graph, site, specs.at(site.name));
    }
  return specs;
}

}  // namespace halftone

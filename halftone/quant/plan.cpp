#include "halftone/quant/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/base/json_text.h"
#include "halftone/base/nearest.h"

namespace halftone {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;

// Line of the first place where `key` stands as a JSON string; 0 where it does not.
size_t line_of(const std::string& text, const std::string& key) {
  const size_t at = text.find(json(key).dump());
  if (at == std::string::npos) return 0;
  return 1 + static_cast<size_t>(
                 std::count(text.begin(), text.begin() + static_cast<int64_t>(at), '\n'));
}

int bits_of(const json& value) {
  if (!value.is_number_integer())
    throw Error("bits must be a whole number, 1 to 16, or 32 for float; found ", value.dump());
  const auto bits = value.get<int64_t>();
  if ((bits < 1 || bits > 16) && bits != 32)
    throw Error("bits must be 1 to 16, or 32 for float; found ", bits);
  return static_cast<int>(bits);
}

int channel_bits_of(const json& value) {
  const bool is_width =
      value.is_number_integer() && value.get<int64_t>() >= 1 && value.get<int64_t>() <= 8;
  if (!is_width) throw Error("channel_bits must be whole numbers, 1 to 8; found ", value.dump());
  return value.get<int>();
}

int group_of(const json& value) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > 1 << 30)
    throw Error("group must be a whole number of input channels, or 0 for none; found ",
                value.dump());
  return value.get<int>();
}

void read_range(const json& value, QuantSpec& spec) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number() || !value[1].is_number())
    throw Error("range must be two numbers, like [0, 3.5]; found ", value.dump());
  spec.range_min = value[0].get<float>();
  spec.range_max = value[1].get<float>();
  if (!std::isfinite(*spec.range_min) || !std::isfinite(*spec.range_max) || *spec.range_min > 0 ||
      *spec.range_max < 0 || *spec.range_min == *spec.range_max)
    throw Error("range must hold 0 and more than it; found ", value.dump());
}

bool read_bool(const json& value, const std::string& key) {
  if (!value.is_boolean()) throw Error(key, " must be true or false; found ", value.dump());
  return value.get<bool>();
}

QuantSpec read_spec(const json& value) {
  QuantSpec spec;
  if (value == "float") {
    spec.bits = 32;
    return spec;
  }
  if (value.is_number()) {
    spec.bits = bits_of(value);
    return spec;
  }
  if (!value.is_object())
    throw Error("a site is bits, \"float\" or an object; found ", value.dump());
  for (const auto& [key, entry] : value.items()) {
    if (key == "bits")
      spec.bits = bits_of(entry);
    else if (key == "range")
      read_range(entry, spec);
    else if (key == "per_channel")
      spec.per_channel = read_bool(entry, key);
    else if (key == "signed")
      spec.is_signed = read_bool(entry, key);
    else if (key == "scheme") {
      spec.scheme = entry.is_string() ? scheme_from(entry.get<std::string>()) : std::nullopt;
      if (!spec.scheme)
        throw Error("unknown scheme ", entry.dump(),
                    "; known are affine, symmetric, binary, ternary, power_of_two, codebook");
    } else if (key == "channel_bits") {
      if (!entry.is_array()) throw Error("channel_bits must be an array; found ", entry.dump());
      for (const auto& bits : entry) spec.channel_bits.push_back(channel_bits_of(bits));
    } else if (key == "group") {
      spec.group = group_of(entry);
    } else {
      throw Error("unknown key '", key,
                  "'; known are bits, scheme, per_channel, signed, range, channel_bits, group");
    }
  }
  return spec;
}

int64_t whole_limit(const json& value, const std::string& key) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0)
    throw Error(key, " must be a whole number; found ", value.dump());
  return value.get<int64_t>();
}

double average_limit(const json& value, const std::string& key) {
  if (!value.is_number() || !(value.get<double>() > 0))
    throw Error(key, " must be a number above 0; found ", value.dump());
  return value.get<double>();
}

Budget read_budget(const json& value) {
  if (!value.is_object()) throw Error("a budget is an object; found ", value.dump());
  Budget budget;
  for (const auto& [key, entry] : value.items()) {
    if (key == "weight_bytes")
      budget.weight_bytes = whole_limit(entry, key);
    else if (key == "bops")
      budget.bops = whole_limit(entry, key);
    else if (key == "average_weight_bits")
      budget.average_weight_bits = average_limit(entry, key);
    else if (key == "average_activation_bits")
      budget.average_activation_bits = average_limit(entry, key);
    else if (key == "outside_average" && entry.is_array()) {
      for (const auto& site : entry) {
        if (!site.is_string())
          throw Error("outside_average must be names of sites; found ", site.dump());
        budget.outside_average.insert(site.get<std::string>());
      }
    } else {
      throw Error("unknown key '", key,
                  "'; known are weight_bytes, average_weight_bits, average_activation_bits, bops, "
                  "outside_average");
    }
  }
  return budget;
}

nlohmann::ordered_json budget_json(const Budget& budget) {
  nlohmann::ordered_json entry;
  if (budget.weight_bytes) entry["weight_bytes"] = *budget.weight_bytes;
  if (budget.average_weight_bits) entry["average_weight_bits"] = *budget.average_weight_bits;
  if (budget.average_activation_bits)
    entry["average_activation_bits"] = *budget.average_activation_bits;
  if (budget.bops) entry["bops"] = *budget.bops;
  if (!budget.outside_average.empty()) entry["outside_average"] = budget.outside_average;
  return entry;
}

}  // namespace

QuantPlan parse_plan(const std::string& text, const std::string& source) {
  json root;
  try {
    root = parse_json(text);
  } catch (const Error& error) {
    throw Error("reading the plan '", source, "': ", error.what());
  }
  if (!root.is_object() || !root.contains("sites") || !root["sites"].is_object())
    throw Error("reading the plan '", source, "': it is no object with an object \"sites\"");
  for (const auto& [key, value] : root.items()) {
    if (key == "format"    ? value != "halftone-plan"
        : key == "version" ? value != kVersion
                           : key != "sites" && key != "budget")
      throw Error(
          "reading the plan '", source, "', line ", line_of(text, key), ": \"", key,
          "\": ", value.dump(),
          " is not understood; this program reads \"format\": \"halftone-plan\", \"version\": ",
          kVersion);
  }
  QuantPlan plan;
  try {
    if (root.contains("budget")) plan.budget = read_budget(root["budget"]);
  } catch (const Error& error) {
    throw Error("reading the plan '", source, "', line ", line_of(text, "budget"), ": ",
                error.what());
  }
  for (const auto& [site, value] : root["sites"].items()) {
    try {
      plan.sites[site] = read_spec(value);
    } catch (const Error& error) {
      throw Error("reading the plan '", source, "', line ", line_of(text, site), ": site '", site,
                  "': ", error.what());
    }
  }
  return plan;
}

void require_known_sites(const QuantPlan& plan, const std::set<std::string>& known,
                         const std::string& text, const std::string& source) {
  for (const auto& [site, spec] : plan.sites) {
    if (known.contains(site)) continue;
    throw Error("the plan '", source, "', line ", line_of(text, site),
                ": the network has no site '", site, "'",
                did_you_mean(site, {known.begin(), known.end()}),
                " (halftone inspect lists the sites)");
  }
}

std::string to_json(const QuantPlan& plan) {
  nlohmann::ordered_json root{{"format", "halftone-plan"}, {"version", kVersion}};
  if (!plan.budget.is_empty()) root["budget"] = budget_json(plan.budget);
  auto& sites = root["sites"] = nlohmann::ordered_json::object();
  for (const auto& [site, spec] : plan.sites) {
    if (spec.is_float()) {
      sites[site] = "float";
      continue;
    }
    nlohmann::ordered_json entry{{"bits", spec.bits}};
    if (spec.scheme) entry["scheme"] = to_string(*spec.scheme);
    if (spec.per_channel) entry["per_channel"] = *spec.per_channel;
    if (spec.is_signed) entry["signed"] = *spec.is_signed;
    if (spec.range_min && spec.range_max) entry["range"] = {*spec.range_min, *spec.range_max};
    if (spec.group) entry["group"] = *spec.group;
    if (!spec.channel_bits.empty()) entry["channel_bits"] = spec.channel_bits;
    sites[site] = entry.size() == 1 ? nlohmann::ordered_json(spec.bits) : entry;
  }
  return root.dump(1) + "\n";
}

}  // namespace halftone

#include "halftone/allocate/method.h"

#include <nlohmann/json.hpp>

#include "halftone/base/json_text.h"

namespace halftone {
namespace {

using nlohmann::ordered_json;
constexpr const char* kFormat = "halftone-sensitivities";

SiteSensitivity read_site(const nlohmann::json& entry, const AllocationSite& site) {
  SiteSensitivity result{.sensitivity = entry.at("sensitivity").get<double>(), .losses = {}};
  for (int width : site.widths) {
    const std::string key = std::to_string(width);
    if (!entry.at("losses").contains(key))
      throw Error("it has no loss of site '", site.name, "' at ", width,
                  " bits; measure anew with these --bits");
    result.losses[width] = entry["losses"][key].get<double>();
  }
  return result;
}

}  // namespace

std::string to_json(const Sensitivities& sensitivities, const std::string& method) {
  ordered_json root{{"format", kFormat}, {"method", method}};
  auto& sites = root["sites"] = ordered_json::object();
  for (const auto& [name, site] : sensitivities) {
    auto& losses = (sites[name] = {{"sensitivity", site.sensitivity}})["losses"] =
        ordered_json::object();
    for (const auto& [width, loss] : site.losses) losses[std::to_string(width)] = loss;
  }
  return root.dump(1) + "\n";
}

Sensitivities parse_sensitivities(const std::string& text, const std::string& source,
                                  const std::string& method, const AllocationSites& sites) {
  try {
    const nlohmann::json root = parse_json(text);
    if (root.value("format", "") != kFormat)
      throw Error("it is no file that --save-sensitivities wrote");
    if (root.at("method") != method)
      throw Error("it is of the method ", root.at("method").dump(), ", not '", method, "'");
    Sensitivities result;
    for (const AllocationSite& site : sites.sites) {
      if (site.is_fixed()) continue;
      if (!root.at("sites").contains(site.name))
        throw Error("it has no site '", site.name,
                    "'; it was measured for another network or other fixes");
      result[site.name] = read_site(root["sites"][site.name], site);
    }
    return result;
  } catch (const nlohmann::json::exception& error) {
    throw Error("reading the sensitivities '", source, "': ", message_of(error));
  } catch (const Error& error) {
    throw Error("reading the sensitivities '", source, "': ", error.what());
  }
}

}  // namespace halftone

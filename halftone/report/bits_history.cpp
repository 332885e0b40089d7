#include "halftone/report/bits_history.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "halftone/base/error.h"
#include "halftone/base/json_text.h"
#include "halftone/report/drawing.h"

namespace halftone {
namespace {

using nlohmann::ordered_json;

struct Decision {
  std::string averages;
  BitsColumn column;
};

Decision decision_of(const ordered_json& line, std::vector<std::string>& sites) {
  const std::string step = std::to_string(line.at("step").get<uint64_t>());
  Decision decision{.averages = "step " + step + ": weights " +
                                drawn_number(line.at("average_weight_bits").get<double>()) +
                                " bits on average, activations " +
                                drawn_number(line.at("average_activation_bits").get<double>()),
                    .column = {"at step " + step, {}}};
  std::vector<std::string> names;
  for (const auto& [site, bits] : line.at("bits").items()) {
    names.push_back(site);
    decision.column.bits.push_back(bits.get<int>());
  }
  if (sites.empty()) sites = names;
  if (names != sites) throw Error("a line has other sites than the first");
  return decision;
}

}  // namespace

std::string bits_history_html(const std::string& title, const std::string& lines,
                              const std::string& source) {
  std::vector<std::string> sites;
  std::vector<BitsColumn> columns;
  std::string list;
  try {
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      Decision decision = decision_of(ordered_json::parse(line), sites);
      columns.push_back(std::move(decision.column));
      list += "<li>" + escaped(decision.averages) + "</li>\n";
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error("reading the history of bits '", source, "': ", message_of(error));
  } catch (const Error& error) {
    throw Error("reading the history of bits '", source, "': ", error.what());
  }
  return html_page(title, "<h2>Bits, decision by decision</h2>\n" + bits_map(sites, columns) +
                              "<ul>\n" + list + "</ul>\n");
}

}  // namespace halftone

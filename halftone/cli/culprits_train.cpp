#include "halftone/cli/culprits_train.h"

#include <algorithm>
#include <iostream>

#include "halftone/cli/session.h"

namespace halftone::cli {

void print_culprits(const std::vector<Culprit>& culprits) {
  Table table({"culprit", "bits", "loss alone", "gain if float", "reason", "remedy"});
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < std::min(kShown, culprits.size()); ++i) {
    const auto& [effect, reason, remedy] = culprits[i];
    table.add({effect.site, std::to_string(effect.bits), scientific(effect.loss_alone),
               scientific(effect.gain_if_float), reason, remedy});
  }
  std::cout << table.text()
            << "loss: noise over signal energy of the output; the whole list is in the JSON\n";
}

nlohmann::ordered_json culprits_json(const std::vector<Culprit>& culprits) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& [effect, reason, remedy] : culprits)
    list.push_back({{"site", effect.site},
                    {"kind", to_string(effect.kind)},
                    {"bits", effect.bits},
                    {"loss_alone", effect.loss_alone},
                    {"gain_if_float", effect.gain_if_float},
                    {"reason", reason},
                    {"remedy", remedy}});
  return list;
}

}  // namespace halftone::cli

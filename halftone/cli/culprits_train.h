// What `quantize --explain` and `inspect --sensitivity` print.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "halftone/ptq/explain.h"

namespace halftone::cli {

// The first few as a table.
void print_culprits(const std::vector<Culprit>& culprits);
// All of them.
nlohmann::ordered_json culprits_json(const std::vector<Culprit>& culprits);

}  // namespace halftone::cli

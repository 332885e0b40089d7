// What computes in float in a target, told the same way by every verb that writes or inspects a
// model.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "halftone/export/dequantize.h"
#include "halftone/export/placement.h"
#include "halftone/export/profile.h"

namespace halftone::cli {

// What `profile` computes in float of a model that is quantized already: what it has no integer
// form of, and what the file left without quantizers.
std::vector<FloatOperator> float_operators_of(const Dequantized& parts, const Profile& profile);

void fill_float_operators(const std::vector<FloatOperator>& operators,
                          nlohmann::ordered_json& facts);
// said: "stays in float" or the like; the count and a line for each operator follow.
void print_float_operators(const std::vector<FloatOperator>& operators, const std::string& said);

}  // namespace halftone::cli

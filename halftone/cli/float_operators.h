// What computes in float in a target, told the same way by every verb that writes or inspects a
// model.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/export/profile.h"

namespace halftone::cli {

// What `profile` leaves in float of a model that is quantized already. Throws as prepare().
std::vector<FloatOperator> float_operators_of(const Model& quantized, const Profile& profile);

void fill_float_operators(const std::vector<FloatOperator>& operators,
                          nlohmann::ordered_json& facts);
// said: "stays in float" or the like; the count and a line for each operator follow.
void print_float_operators(const std::vector<FloatOperator>& operators, const std::string& said);

}  // namespace halftone::cli

// The known name that a mistyped one most likely meant.
//
//   throw UsageError("unknown site '", name, "'", did_you_mean(name, known));
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace halftone {

// Letters to insert, delete or change to turn one into the other (Levenshtein).
size_t edit_distance(const std::string& a, const std::string& b);

// "; did you mean 'X'?" with the nearest of `known`, "" where none is like `name`: where more than
// half of the letters would change.
std::string did_you_mean(const std::string& name, const std::vector<std::string>& known);

}  // namespace halftone

#include "halftone/base/nearest.h"

#include <algorithm>
#include <utility>

namespace halftone {

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const auto distance = [&](const std::string& other) { return edit_distance(other, name); };
  const auto nearest = std::ranges::min_element(known, {}, distance);
  if (nearest == known.end() || 2 * distance(*nearest) > std::max(nearest->size(), name.size()))
    return "";
  return "; did you mean '" + *nearest + "'?";
}

}  // namespace halftone

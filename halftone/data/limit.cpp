#include "halftone/data/limit.h"

#include <algorithm>
#include <map>

namespace halftone {
namespace {

// Of each class, how many: every class gives min(size, level) for the highest level that fits, then
// one more each from as many random classes as are left to be served.
std::map<int64_t, size_t> shares(const std::map<int64_t, std::vector<size_t>>& members,
                                 size_t count, Rng& rng) {
  size_t left = count;
  size_t level = 0;
  std::vector<int64_t> growing;  // classes with more members than `level`
  for (const auto& [label, indices] : members) growing.push_back(label);
  while (!growing.empty() && left >= growing.size()) {
    size_t smallest = SIZE_MAX;
    for (int64_t label : growing) smallest = std::min(smallest, members.at(label).size());
    const size_t rise = std::min(smallest - level, left / growing.size());
    level += rise;
    left -= rise * growing.size();
    std::erase_if(growing, [&](int64_t label) { return members.at(label).size() == level; });
  }
  std::map<int64_t, size_t> share;
  for (const auto& [label, indices] : members) share[label] = std::min(level, indices.size());
  rng.shuffle(growing);
  for (size_t i = 0; i < std::min(left, growing.size()); ++i) ++share[growing[i]];
  return share;
}

}  // namespace

std::vector<size_t> draw_samples(std::span<const int64_t> labels, size_t count, Rng rng) {
  std::map<int64_t, std::vector<size_t>> members;
  for (size_t i = 0; i < labels.size(); ++i) members[labels[i]].push_back(i);
  std::vector<size_t> drawn;
  for (const auto& [label, share] : shares(members, count, rng)) {
    const std::vector<size_t>& indices = members.at(label);
    for (size_t k : rng.sample(indices.size(), share)) drawn.push_back(indices[k]);
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace halftone

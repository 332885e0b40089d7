#include "halftone/graph/ops/strided.h"

#include <algorithm>

namespace halftone {

bool advance(std::vector<int64_t>& coordinate, const Shape& shape) {
  for (size_t i = shape.size(); i-- > 0;) {
    if (++coordinate[i] < shape[i]) return true;
    coordinate[i] = 0;
  }
  return false;
}

std::vector<int64_t> strided_indices(const Shape& shape, const std::vector<int64_t>& strides,
                                     int64_t offset) {
  const int64_t count = element_count(shape);
  std::vector<int64_t> result;
  result.reserve(static_cast<size_t>(count));
  if (count == 0) return result;
  if (shape.empty()) return {offset};
  const Shape outer(shape.begin(), shape.end() - 1);
  std::vector<int64_t> coordinate(outer.size(), 0);
  do {
    int64_t at = offset;
    for (size_t i = 0; i < outer.size(); ++i) at += coordinate[i] * strides[i];
    for (int64_t k = 0; k < shape.back(); ++k) result.push_back(at + k * strides.back());
  } while (advance(coordinate, outer));
  return result;
}

std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& to) {
  if (from.size() > to.size())
    throw Error(to_string(from), " does not broadcast to ", to_string(to));
  const std::vector<int64_t> own = strides_of(from);
  std::vector<int64_t> result(to.size(), 0);
  const size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1 && from[i] != to[lead + i])
      throw Error(to_string(from), " does not broadcast to ", to_string(to));
    result[lead + i] = from[i] == 1 ? 0 : own[i];
  }
  return result;
}

std::vector<int64_t> lane_indices(const Shape& shape, const std::vector<size_t>& axes) {
  const std::vector<int64_t> own = strides_of(shape);
  Shape permuted;
  std::vector<int64_t> strides;
  const auto append = [&](size_t axis) {
    permuted.push_back(shape[axis]);
    strides.push_back(own[axis]);
  };
  for (size_t i = 0; i < shape.size(); ++i)
    if (std::ranges::find(axes, i) == axes.end()) append(i);
  for (size_t axis : axes) append(axis);
  return strided_indices(permuted, strides);
}

}  // namespace halftone

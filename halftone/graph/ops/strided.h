// Walking a row-major tensor through other strides: broadcasting, transposing, slicing and reducing
// are all that.
//
//   auto at = strided_indices({2, 3}, {1, 2});       // element [i,j] of the transpose of a [3,2]
//   tensor
#pragma once

#include <cstdint>
#include <vector>

#include "halftone/graph/tensor.h"

namespace halftone {

// offset + sum(coordinate * stride) for every coordinate of `shape` in row-major order.
std::vector<int64_t> strided_indices(const Shape& shape, const std::vector<int64_t>& strides,
                                     int64_t offset = 0);

// Strides that read a tensor of shape `from` as if it were broadcast to `to`: 0 along repeated
// dimensions.
std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& to);

// Moves to the next coordinate in row-major order; false (and all zeros) after the last.
bool advance(std::vector<int64_t>& coordinate, const Shape& shape);

// A tensor's values with some axes last: one lane of values per coordinate of the others.
template <typename T>
struct Lanes {
  int64_t length = 0;       // values in a lane
  std::vector<T> values;    // lane after lane
  std::vector<int64_t> at;  // where each value stood
};
// The permutation that brings `axes` to the end.
std::vector<int64_t> lane_indices(const Shape& shape, const std::vector<size_t>& axes);

template <typename T>
Lanes<T> lanes_of(const std::vector<T>& values, const Shape& shape,
                  const std::vector<size_t>& axes) {
  Lanes<T> lanes;
  lanes.length = 1;
  for (size_t axis : axes) lanes.length *= shape[axis];
  lanes.at = lane_indices(shape, axes);
  lanes.values.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    lanes.values[i] = values[static_cast<size_t>(lanes.at[i])];
  return lanes;
}

}  // namespace halftone

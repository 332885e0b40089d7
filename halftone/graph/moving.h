// Operators that only move elements.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Whether the node moves elements of its first input and computes nothing (Reshape, Slice, MaxPool,
// ...): the same on codes as on values. Not so Pad, which brings a value of its own.
bool moves_elements(const Node& node);

// The same, or Pad.
bool moves_or_pads(const Node& node);

}  // namespace halftone

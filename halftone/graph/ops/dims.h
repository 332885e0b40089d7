// Arithmetic on symbolic dimensions. A result that cannot be told is the unknown dimension Dim{}.
#pragma once

#include <optional>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

using MaybeShape = std::optional<SymbolicShape>;

SymbolicShape symbolic(const Shape& shape);
// A shape of that rank of which nothing else is known.
SymbolicShape unknown_shape(int64_t rank);

// Rank of a known shape; throws Error where it is known and below `least`.
void require_rank(const MaybeShape& shape, int64_t least, const char* what);

// The same size under another name: keeps the one that tells more. Throws Error where both are
// known and differ.
Dim unified(const Dim& a, const Dim& b, const char* what);

Dim plus(const Dim& a, const Dim& b);
Dim product(const SymbolicShape& dims);
// product(all) / product(part), cancelling equal symbols. Throws Error where it is known to leave a
// remainder.
Dim quotient(const SymbolicShape& all, const SymbolicShape& part);

// numpy's broadcasting. Throws Error where the shapes are known not to fit.
Dim broadcast(const Dim& a, const Dim& b);
SymbolicShape broadcast(const SymbolicShape& a, const SymbolicShape& b);
MaybeShape broadcast(const MaybeShape& a, const MaybeShape& b);

}  // namespace halftone

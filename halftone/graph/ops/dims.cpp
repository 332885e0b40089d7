#include "halftone/graph/ops/dims.h"

#include <algorithm>

namespace halftone {
namespace {

int64_t multiplied(int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result))
    throw Error("a tensor would have more than 2^63 elements");
  return result;
}

// A product as a number times symbols times, perhaps, unknown factors.
struct Factors {
  int64_t number = 1;
  std::vector<std::string> symbols;
  bool has_unknown = false;

  explicit Factors(const SymbolicShape& dims) {
    for (const Dim& dim : dims) {
      if (dim.known())
        number = multiplied(number, dim.value);
      else if (dim.symbol.empty())
        has_unknown = true;
      else
        symbols.push_back(dim.symbol);
    }
  }
};

Dim to_dim(const Factors& factors) {
  if (factors.number == 0) return Dim::of(0);
  if (factors.has_unknown || factors.symbols.size() > 1) return {};
  if (factors.symbols.empty()) return Dim::of(factors.number);
  return factors.number == 1 ? Dim{-1, factors.symbols[0]} : Dim{};
}

}  // namespace

SymbolicShape symbolic(const Shape& shape) {
  SymbolicShape result;
  for (int64_t dim : shape) result.push_back(Dim::of(dim));
  return result;
}

SymbolicShape unknown_shape(int64_t rank) { return SymbolicShape(static_cast<size_t>(rank)); }

void require_rank(const MaybeShape& shape, int64_t least, const char* what) {
  if (shape && static_cast<int64_t>(shape->size()) < least)
    throw Error(what, " has shape ", to_string(*shape), ", but at least ", least,
                " dimensions are needed");
}

Dim unified(const Dim& a, const Dim& b, const char* what) {
  if (a.known() && b.known() && a.value != b.value)
    throw Error(what, " is ", a.value, " in one place and ", b.value, " in another");
  if (a.known() || (!b.known() && !a.symbol.empty())) return a;
  return b;
}

Dim plus(const Dim& a, const Dim& b) {
  if (a.known() && b.known()) {
    int64_t sum = 0;
    if (__builtin_add_overflow(a.value, b.value, &sum)) throw Error("a dimension passes 2^63");
    return Dim::of(sum);
  }
  if (a.value == 0) return b;
  if (b.value == 0) return a;
  return {};
}

Dim product(const SymbolicShape& dims) { return to_dim(Factors(dims)); }

Dim quotient(const SymbolicShape& all, const SymbolicShape& part) {
  Factors left(all);
  const Factors divisor(part);
  if (left.has_unknown || divisor.has_unknown || divisor.number == 0) return {};
  for (const std::string& symbol : divisor.symbols) {
    const auto found = std::ranges::find(left.symbols, symbol);
    if (found == left.symbols.end()) return {};
    left.symbols.erase(found);
  }
  if (left.number % divisor.number != 0) {
    if (!left.symbols.empty()) return {};
    throw Error(to_string(all), " does not divide evenly by ", to_string(part));
  }
  left.number /= divisor.number;
  return to_dim(left);
}

Dim broadcast(const Dim& a, const Dim& b) {
  if (a.value == 1) return b;
  if (b.value == 1 || a == b) return a;
  if (a.known() && b.known())
    throw Error("dimensions ", a.value, " and ", b.value, " do not broadcast");
  if (a.known()) return a;
  if (b.known()) return b;
  return {};
}

SymbolicShape broadcast(const SymbolicShape& a, const SymbolicShape& b) {
  const SymbolicShape& longer = a.size() >= b.size() ? a : b;
  const SymbolicShape& shorter = a.size() >= b.size() ? b : a;
  SymbolicShape result = longer;
  const size_t lead = longer.size() - shorter.size();
  try {
    for (size_t i = 0; i < shorter.size(); ++i)
      result[lead + i] = broadcast(longer[lead + i], shorter[i]);
  } catch (const Error& error) {
    throw Error("shapes ", to_string(a), " and ", to_string(b), " do not fit: ", error.what());
  }
  return result;
}

MaybeShape broadcast(const MaybeShape& a, const MaybeShape& b) {
  if (!a || !b) return std::nullopt;
  return broadcast(*a, *b);
}

}  // namespace halftone

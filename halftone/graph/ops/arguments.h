// How an operator's integer arguments are read: axes, pads, shapes, which stand in an attribute or
// in an input.
#pragma once

#include <optional>
#include <vector>

#include "halftone/graph/op.h"
#include "halftone/graph/ops/dims.h"

namespace halftone {

// More elements than this no kernel allocates.
constexpr int64_t kMostElements = int64_t{1} << 31;

// An axis in [-rank, rank) counted from the front. Throws Error outside.
size_t normalized_axis(int64_t axis, int64_t rank);
// The same for several: sorted, each once. Throws Error where one stands twice.
std::vector<size_t> normalized_axes(const std::vector<int64_t>& axes, int64_t rank);

// Elements of an integer input as Dims, for shape arithmetic. Dim holds no negative number: here -3
// is the symbol "-3", which is as true of it as any symbol. A constant gives its values, else what
// inference knows.
std::optional<SymbolicShape> known_elements(const InferenceContext& context, size_t input);
Dim element_of(int64_t value);
std::optional<int64_t> value_of(const Dim& element);
// All elements, where all are known.
std::optional<std::vector<int64_t>> known_values(const InferenceContext& context, size_t input);

// An argument in an input, or in an attribute of older or newer opsets.
struct IntsArgument {
  bool is_given = false;
  std::optional<std::vector<int64_t>> values;  // nullopt: not given, or not known
};
IntsArgument ints_argument(const InferenceContext& context, size_t input, const char* attribute);
// nullopt where it is not given.
std::optional<std::vector<int64_t>> ints_argument(const KernelInputs& in, size_t input,
                                                  const char* attribute);

// What inference says of the outputs when every input is known. Kernels take their outputs' types
// from it, so that the two cannot contradict each other, and checks are written once, in the
// inference.
struct TensorType {
  DType dtype = DType::kUndefined;
  Shape shape;
};
// Of one output. Throws Error where inference finds a fault, or the tensor would be larger than
// kMostElements.
TensorType output_type(const KernelInputs& in, void (*infer)(InferenceContext&), size_t output = 0);

}  // namespace halftone

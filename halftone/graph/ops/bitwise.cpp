// BitShift and the bitwise logic of integers.
#include "halftone/graph/ops/elementwise.h"

namespace halftone {
namespace {

// A function of two integers that has no meaning for floats.
template <auto f>
Tensors combine_integers(const KernelInputs& in) {
  if (!is_integer(in[0].dtype()))
    throw Error("a ", name_of(in[0].dtype()), " tensor where integers are expected");
  constexpr auto on_integers = []<typename T>(T a, T b) -> T {
    if constexpr (std::is_floating_point_v<T>)
      return a;
    else
      return f(a, b);
  };
  return combine<on_integers>(in);
}

// Bits that are shifted out are lost; a shift by the width of the type leaves none.
constexpr auto shift_left = []<typename T>(T a, T by) -> T {
  return by < 0 || by > 63 ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << by);
};
constexpr auto shift_right = []<typename T>(T a, T by) -> T {
  return by < 0 || by > 63 ? T{0} : static_cast<T>(static_cast<uint64_t>(a) >> by);
};

Tensors bit_shift(const KernelInputs& in) {
  const std::string direction = in.node.string_or("direction", "");
  if (is_signed_integer(in[0].dtype()))
    throw Error("only unsigned integers are shifted, this is ", name_of(in[0].dtype()));
  if (direction == "LEFT") return combine_integers<shift_left>(in);
  if (direction == "RIGHT") return combine_integers<shift_right>(in);
  throw Error("direction is '", direction, "'; known are LEFT and RIGHT");
}

Tensors bitwise_not(const KernelInputs& in) {
  const Tensor& x = in[0];
  if (!is_integer(x.dtype()))
    throw Error("a ", name_of(x.dtype()), " tensor where integers are expected");
  std::vector<uint64_t> values = x.to_vector<uint64_t>();
  for (uint64_t& value : values) value = ~value;
  return {stored(x.dtype(), x.shape(), values)};
}

HALFTONE_REGISTER(GraphOp, "BitShift", broadcast_inputs, bit_shift);
HALFTONE_REGISTER(GraphOp, "BitwiseNot", same_type_as_input, bitwise_not);
HALFTONE_REGISTER(GraphOp, "BitwiseAnd", broadcast_inputs,
                  combine_integers<[](auto a, auto b) { return a & b; }>);
HALFTONE_REGISTER(GraphOp, "BitwiseOr", broadcast_inputs,
                  combine_integers<[](auto a, auto b) { return a | b; }>);
HALFTONE_REGISTER(GraphOp, "BitwiseXor", broadcast_inputs,
                  combine_integers<[](auto a, auto b) { return a ^ b; }>);

}  // namespace
}  // namespace halftone

// Weight-only quantization: operators that run in float, with weights stored in few bits.
// onnxruntime makes one MatMulNBits of a matrix product and the DequantizeLinear of its weight.
//
//   untranspose_gemms(graph);
//   Placement placement = place(graph, profile, floats);
//   place_float_weights(graph, profile, {}, placement);
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "halftone/export/placement.h"
#include "halftone/export/qdq.h"

namespace halftone {

// Turns the weight of a Gemm with transB 1 around, where it is a constant that nobody else reads:
// onnxruntime fuses no other layout. The function stays the same, and the weight keeps its name.
void untranspose_gemms(Graph& graph);

// The constant weights that only operators in float read, Conv, ConvTranspose, Gemm and MatMul;
// with why the target takes them in no type of 4 or 2 bits and in no groups, "" where it does.
// is_integer: by node.
std::map<std::string, std::string> float_weights(const Graph& graph, const Profile& profile,
                                                 const std::vector<bool>& is_integer);

// A Relu or Clip by Max and Min: onnxruntime 1.32 makes no MatMulNBits of a product that a Relu or
// Clip alone reads. zero: the name of a constant 0. between: a free name, for the value between the
// two. canonicalize() is the way back.
std::vector<Node> by_max_and_min(const Node& activation, const std::string& zero,
                                 const std::string& between);

// Adds a weight site for each of them that is not in `keep_float`.
void place_float_weights(const Graph& graph, const Profile& profile,
                         const std::set<std::string>& keep_float, Placement& placement);

// The placement's float operators, those with a weight-only site with how that weight is stored,
// and why.
std::vector<FloatOperator> float_operators_with_weights(const Graph& graph,
                                                        const Placement& placement,
                                                        const QuantizedSites& sites);

// Codes of a weight-only weight: no integer kernel limits them. Symmetric ones of 8 bits leave out
// -128.
CodeRange float_weight_codes(int bits, bool is_affine);

// The narrowest of int2, int4 and int8 that holds the codes and the zero points of a matrix
// [inputs, outputs]. No int2 where the outputs are no multiple of 4: onnxruntime 1.32 packs such
// matrices wrongly when it makes a MatMulNBits of them.
DType narrow_type(const QuantTensor& matrix);

}  // namespace halftone

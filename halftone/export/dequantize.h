// A quantized network taken apart: the float network, and the numbers by which it was quantized.
//
//   const Dequantized parts = dequantize(prepare(read_model("int8.onnx")));
//   if (parts.quantization() == Quantization::kWeightOnly) ...
//
// write_qdq() puts the two together again without changing a number.
#pragma once

#include <map>
#include <set>
#include <string>

#include "halftone/export/qdq.h"
#include "halftone/graph/graph.h"

namespace halftone {

enum class Quantization {
  kFloat,
  kWeightOnly,  // no activation carries Q and DQ
  kPartly,      // some Conv, Gemm or MatMul with a constant weight reads float
  kFully,
};
std::string to_string(Quantization quantization);

struct Dequantized {
  Model model;  // float; canonical, with inferred types
  // Activations by the value that carried Q and DQ, with codes counted from 0 (uint8). Weights by
  // their name before the suffix _quantized, where they had it, else by the value that their DQ
  // made; codes signed. Widths are told by halftone's metadata, else an integer Clip, else the
  // storage type of 4 and 2 bits, else inferred from the values.
  QuantizedSites sites;
  std::set<std::string> inferred;  // weights whose width is inferred
  std::map<std::string, double>
      stored_bits;  // width by the stored initializer's name, as cost_of() takes it
  // What the Q and DQ give that stay in the graph because `sites` cannot hold them: 16-bit types,
  // types other than float32, values that are also read in float.
  std::set<std::string> kept;

  // These, and weights in blocks: operators that read them run in float.
  std::set<std::string> float_sites() const;

  Quantization quantization() const;
};

// model: prepared. Where a Q with its zero point at the bottom of its range did the work of a ReLU,
// the float network has that ReLU again (ReLU6 where the range ends at 6).
Dequantized dequantize(const Model& model);

// The float network alone: every Q and DQ is gone, weights have their dequantized values.
// Canonical.
Model float_model(const Model& model);

}  // namespace halftone

// AIMET's encodings: a JSON file beside a float model that tells how each tensor is quantized.
//
//   const Encodings encodings = parse_encodings(text, "model.encodings");
//   const QuantizedSites fixed = fixed_sites(encodings, graph);
//
// Versions to 0.6.1, 1.0.0 and 2.0.0 are read, 0.6.1 and 1.0.0 written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/export/qdq.h"

namespace halftone {

// x = (q + offset) * scale with q in [0, 2^bits - 1].
struct Encoding {
  int bits = 8;
  bool is_float = false;
  bool is_symmetric = false;
  std::vector<float> scales;     // one, or one a channel
  std::vector<int32_t> offsets;  // as many; <= 0
};

using Encodings = std::map<std::string, Encoding>;  // by tensor

// Throws Error naming `source` and the tensor: broken JSON, versions and kinds of encodings that
// are not known (blocks), values out of range.
Encodings parse_encodings(const std::string& json, const std::string& source);

// Weights of `graph`, rounded, and activations, with codes counted from 0. Encodings of biases, of
// float tensors and of values that the graph does not hold are left out. Throws Error naming the
// tensor: more than 8 bits, or scales that do not fit its shape.
QuantizedSites fixed_sites(const Encodings& encodings, const Graph& graph);

// version: "0.6.1" or "1.0.0"; throws UsageError otherwise. activations: with codes of
// `activation_type`. Stable text.
std::string to_encodings(const QuantizedSites& sites, DType activation_type,
                         const std::string& version);

}  // namespace halftone

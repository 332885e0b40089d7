// What a quantized file tells of its sites: from our metadata, or from the graph itself.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

// Whether the graph holds QuantizeLinear, DequantizeLinear or integer operators.
bool is_quantized_model(const Model& model);

struct StoredSite {
  std::string kind;      // "weight" or "activation"
  int bits = 8;
  bool is_inferred = false;  // from the values present, not told by metadata, a Clip or the type
  std::vector<int> channel_bits = {};  // of each output channel, where they differ
};

// By site name; sites of files that are not ours are named after the stored tensor.
std::map<std::string, StoredSite> stored_sites(const Model& model);

// Bits of stored weights by their initializer's name, as cost_of() takes them.
std::map<std::string, int> stored_site_bits(const Model& model);

}  // namespace halftone

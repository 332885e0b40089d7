// What a quantized file records of its sites: the metadata halftone.sites, JSON by site. For people
// and for our readers; nothing computes with it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

struct SiteRecord {
  std::string kind;                    // "weight" or "activation"
  int bits = 8;                        // 1..16
  int axis = -1;                       // of a weight's channels or blocks; -1: none
  std::vector<int> channel_bits = {};  // of each channel, where they differ
  int block_size = 0;                  // elements along `axis` that share a scale; 0: no blocks
};

using SiteRecords = std::map<std::string, SiteRecord>;

// What the model tells; entries that make no sense are left out.
SiteRecords read_site_records(const Model& model);

// Replaces the record; an empty one removes it.
void write_site_records(Model& model, const SiteRecords& records);

}  // namespace halftone

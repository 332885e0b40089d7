// The partition of a network into single-entry, single-exit regions: residual blocks, inverted
// residuals, single layers. Block reconstruction (BRECQ, QDrop) and block replacement take the same
// one.
#pragma once

#include <string>
#include <vector>

#include "halftone/graph/graph.h"

namespace halftone {

struct Block {
  std::string name;        // of its first weighted node, or that node's output
  std::vector<int> nodes;  // indices into graph.nodes, in order
  std::string input;       // the one value that enters; an input of the graph for the first block
  std::string output;      // the one value that leaves
};

// Blocks in topological order; together they hold every node that depends on the fed inputs. A
// region ends where exactly one computed value is alive; regions without a weighted node (Conv,
// Gemm, MatMul) belong to the block before them.
std::vector<Block> partition_blocks(const Graph& graph);

}  // namespace halftone

#include "halftone/graph/rename.h"

#include <gtest/gtest.h>

#include "halftone/graph/ops/node_under_test.h"

namespace halftone {
namespace {

TEST(Rename, RenamesWhereNodesReadAndMakeAndTheStatistics) {
  Graph graph;
  graph.nodes = {testing_ops::node("Relu", {"x"}, {"y"}),
                 testing_ops::node("Add", {"y", "x"}, {"z"})};
  graph.statistics["y"] = {};
  rename_values(graph, [](const std::string& name) { return name == "y" ? "other" : name; });
  EXPECT_EQ(graph.nodes[0].outputs[0], "other");
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<std::string>{"other", "x"}));
  EXPECT_TRUE(graph.statistics.contains("other"));
  EXPECT_EQ(graph.statistics.size(), 1U);
}

}  // namespace
}  // namespace halftone

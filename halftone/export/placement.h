// Which tensors carry a quantizer for a target. Nothing else decides it.
//
//   Placement placement = place(graph, Registry<Profile>::get("onnxruntime"), {});
//   for (const Site& site : placement.sites) ...
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "halftone/export/profile.h"
#include "halftone/graph/graph.h"
#include "halftone/quant/observer.h"

namespace halftone {

enum class SiteKind { kWeight, kActivation, kBias };
std::string to_string(SiteKind kind);

// A place where a quantizer stands, named after the tensor it quantizes.
struct Site {
  std::string name;
  SiteKind kind = SiteKind::kActivation;
  int node = -1;  // weight and bias: the first node that reads it; activation: the node that makes
                  // it, -1 for an input
  int axis = -1;  // weight: the axis of output channels
  // Activation: the site whose scale and zero point this one takes; its own name where it has its
  // own.
  std::string shares_with = {};
  std::optional<Range> fixed_range = {};  // known without data (Sigmoid, Softmax)
  std::optional<float> upper_limit =
      {};  // a Clip before Q that Q must make redundant: qmax * scale may not pass it
  bool is_non_negative = false;  // behind a ReLU
  bool is_weight_only = false;   // weight: of an operator in float (export/weight_only.h)
  // Such a weight: why the target takes it in no type below 8 bits and in no groups; empty where it
  // does.
  std::string narrow_obstacle = {};
};

struct FloatOperator {
  std::string node;  // its name, or its first output's
  std::string op;
  std::string reason;
};

struct Placement {
  std::vector<Site> sites;
  std::vector<bool> is_integer;                // by node: runs on integers in the target
  std::vector<FloatOperator> float_operators;  // in the order of the graph
  const Site* find(const std::string& name, SiteKind kind) const;
};

// graph: canonical (graph/passes), with inferred types. keep_float: sites, by name, that must stay
// in float; every operator that would need them stays in float too.
Placement place(const Graph& graph, const Profile& profile,
                const std::set<std::string>& keep_float);

// Values that graph/passes/separate_skips.h may take in two: activations with a scale of their own
// that both an integer layer and an integer Add read, the Add at most through what moves elements.
// None for targets without an exact narrow form that stays apart from the Q and DQ before it.
std::set<std::string> separable_skips(const Graph& graph, const Placement& placement,
                                      const Profile& profile);

// The axis of output channels of a weighted node's weight; -1 where it has none (see conventions:
// Conv 0, Gemm by transB, MatMul last, ConvTranspose 1 without groups).
int output_channel_axis(const Node& node, int64_t weight_rank);

}  // namespace halftone

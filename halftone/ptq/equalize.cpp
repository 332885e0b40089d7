#include "halftone/ptq/equalize.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "halftone/ptq/layer_pairs.h"
#include "halftone/ptq/layer_weight.h"

namespace halftone {
namespace {

constexpr double kSettled = 1e-3;
constexpr int kMostSweeps = 40;
constexpr double kLargestFactor = 256;
constexpr double kRoomBelowClip = 1.25;

struct Edge {
  LayerPair pair;
  std::vector<double> factor;           // of each channel so far: the product of its s
  std::vector<double> lowest, highest;  // what `factor` may be
};

// The pair as an edge; nullopt where a Clip stands between and nothing is known of what reaches it.
std::optional<Edge> edge_of(const Graph& graph, const LayerPair& pair, size_t channels,
                            const ChannelMaxima& seen) {
  Edge edge{pair, std::vector<double>(channels, 1),
            std::vector<double>(channels, 1 / kLargestFactor),
            std::vector<double>(channels, kLargestFactor)};
  if (!pair.limit) return edge;
  const auto maxima = seen.find(graph.nodes[pair.first].outputs[0]);
  if (maxima == seen.end() || maxima->second.size() != channels) return std::nullopt;
  for (size_t c = 0; c < channels; ++c) {
    const double share = kRoomBelowClip * static_cast<double>(maxima->second[c]) / *pair.limit;
    edge.lowest[c] = std::clamp(share, 1 / kLargestFactor, 1.0);
    if (share >= 1) edge.highest[c] = 1;
  }
  return edge;
}

class Equalizer {
 public:
  Equalizer(Graph& graph, const ChannelMaxima& seen) : graph_(graph) {
    for (const LayerPair& pair : layer_pairs(graph)) {
      const auto first = LayerWeight::of(graph, graph.nodes[pair.first]);
      auto edge = edge_of(graph, pair, first->outputs, seen);
      if (!edge) continue;
      edges_.push_back(std::move(*edge));
      layers_.emplace(pair.first, *first);
      layers_.emplace(pair.second, *LayerWeight::of(graph, graph.nodes[pair.second]));
    }
    group();
  }

  size_t run() {
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      double change = 0;
      for (const auto& [edge, next] : groups_)
        change = std::max(change, next ? settle_triple(*edge, *next) : settle_pair(*edge));
      if (change < kSettled) break;
    }
    write_back();
    return edges_.size();
  }

 private:
  struct Group {
    Edge* edge;
    Edge* next;  // of a triple, whose middle layer is depthwise; else nullptr
  };

  void group() {
    std::map<size_t, Edge*> edge_behind;  // by its first layer
    for (Edge& edge : edges_) edge_behind[edge.pair.first] = &edge;
    std::set<const Edge*> taken;
    for (Edge& edge : edges_) {
      if (taken.contains(&edge)) continue;
      const auto next = edge_behind.find(edge.pair.second);
      const bool is_triple = layers_.at(edge.pair.second).is_depthwise() &&
                             next != edge_behind.end() && !taken.contains(next->second);
      groups_.push_back({&edge, is_triple ? next->second : nullptr});
      if (is_triple) taken.insert(next->second);
    }
  }

  // The largest magnitude of each channel, as `channel_of` an element tells it.
  static std::vector<double> ranges(const LayerWeight& weight, size_t channels,
                                    size_t (LayerWeight::*channel_of)(size_t) const) {
    std::vector<double> result(channels, 0);
    for (size_t e = 0; e < weight.values.size(); ++e) {
      double& range = result[(weight.*channel_of)(e)];
      range = std::max(range, std::abs(weight.values[e]));
    }
    return result;
  }

  std::vector<double> output_ranges(size_t layer) const {
    const LayerWeight& weight = layers_.at(layer);
    return ranges(weight, weight.outputs, &LayerWeight::output_of);
  }

  std::vector<double> input_ranges(size_t layer) const {
    const LayerWeight& weight = layers_.at(layer);
    return ranges(weight, weight.inputs, &LayerWeight::input_of);
  }

  // s as far as the edge allows it for the channel.
  static double allowed(const Edge& edge, size_t channel, double s) {
    return std::clamp(edge.factor[channel] * s, edge.lowest[channel], edge.highest[channel]) /
           edge.factor[channel];
  }

  // Both return the largest |s - 1|.
  double settle_pair(Edge& edge) {
    const auto r1 = output_ranges(edge.pair.first), r2 = input_ranges(edge.pair.second);
    std::vector<double> s(r1.size(), 1);
    for (size_t c = 0; c < s.size(); ++c)
      if (r1[c] > 0 && r2[c] > 0) s[c] = allowed(edge, c, std::sqrt(r1[c] / r2[c]));
    return scale(edge, s);
  }

  double settle_triple(Edge& edge, Edge& next) {
    const auto r1 = output_ranges(edge.pair.first), r2 = output_ranges(edge.pair.second),
               r3 = input_ranges(next.pair.second);
    std::vector<double> s12(r1.size(), 1), s23(r1.size(), 1);
    for (size_t c = 0; c < s12.size(); ++c) {
      if (r1[c] <= 0 || r2[c] <= 0 || r3[c] <= 0) continue;
      s12[c] = allowed(edge, c, r1[c] / std::cbrt(r1[c] * r2[c] * r3[c]));
      // c / r3 of the paper where s12 was not limited; else what evens out the other two.
      s23[c] = allowed(next, c, std::sqrt(r2[c] * s12[c] / r3[c]));
    }
    const double change = scale(edge, s12);
    return std::max(change, scale(next, s23));
  }

  double scale(Edge& edge, const std::vector<double>& s) {
    LayerWeight &first = layers_.at(edge.pair.first), &second = layers_.at(edge.pair.second);
    for (size_t e = 0; e < first.values.size(); ++e) first.values[e] /= s[first.output_of(e)];
    for (size_t e = 0; e < second.values.size(); ++e) second.values[e] *= s[second.input_of(e)];
    double change = 0;
    for (size_t c = 0; c < s.size(); ++c) {
      edge.factor[c] *= s[c];
      change = std::max(change, std::abs(s[c] - 1));
    }
    return change;
  }

  void write_back() {
    for (const auto& [layer, weight] : layers_) {
      Tensor& tensor = graph_.initializers.at(graph_.nodes[layer].inputs[1]);
      tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), weight.values);
    }
    for (const Edge& edge : edges_) {
      const Node& first = graph_.nodes[edge.pair.first];
      if (!first.input(2).empty()) {
        Tensor& tensor = graph_.initializers.at(first.inputs[2]);
        auto bias = tensor.to_vector<double>();
        for (size_t c = 0; c < bias.size(); ++c) bias[c] /= edge.factor[c];
        tensor = Tensor::from_doubles(tensor.dtype(), tensor.shape(), bias);
      }
      const auto known = graph_.statistics.find(first.outputs[0]);
      if (known == graph_.statistics.end()) continue;
      for (size_t c = 0; c < edge.factor.size(); ++c) {
        known->second.mean[c] /= edge.factor[c];
        known->second.deviation[c] /= edge.factor[c];
      }
    }
  }

  Graph& graph_;
  std::vector<Edge> edges_;
  std::map<size_t, LayerWeight> layers_;  // by node
  std::vector<Group> groups_;
};

}  // namespace

size_t equalize(Graph& graph, const ChannelMaxima& seen) { return Equalizer(graph, seen).run(); }

}  // namespace halftone

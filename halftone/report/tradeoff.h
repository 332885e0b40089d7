// A picture of what each budget buys: the curve of predicted loss over average bits, and the bits
// of every layer along it.
//
//   write(tradeoff_html({.title = "resnet20.onnx, kl", .sites = names, .points = points}));
#pragma once

#include <string>
#include <vector>

namespace halftone {

struct TradeoffPoint {
  double average_bits = 0;
  double weight_bytes = 0;
  double loss = 0;        // predicted, >= 0
  std::vector<int> bits;  // by site
};

struct Tradeoff {
  std::string title;
  std::vector<std::string> sites;     // rows, in this order
  std::vector<TradeoffPoint> points;  // ascending in average_bits
};

// One file that needs nothing else: HTML with two SVG drawings. The curve's axis of losses is
// logarithmic; losses of 0 lie on its bottom.
std::string tradeoff_html(const Tradeoff& tradeoff);

}  // namespace halftone

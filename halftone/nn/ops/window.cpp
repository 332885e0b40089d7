#include "halftone/nn/ops/window.h"

#include <algorithm>

namespace halftone {
namespace {

std::vector<int64_t> checked(const Node& node, const char* attribute, std::vector<int64_t> fallback, int64_t least) {
  const size_t length = fallback.size();
  auto values = node.ints_or(attribute, std::move(fallback));
  if (values.size() != length)
    throw Error("attribute ", attribute, " has ", values.size(), " values where ", length, " are expected");
  if (std::ranges::any_of(values, [&](int64_t value) { return value < least || value > (1 << 24); }))
    throw Error("attribute ", attribute, " has a value out of range: ", to_string(Shape(values)));
  return values;
}

}  // namespace

std::vector<int64_t> Window::reversed_pads() const {
  std::vector<int64_t> pads;
  for (size_t i = begin.size(); i-- > 0;) {
    pads.push_back(begin[i]);
    pads.push_back(end[i]);
  }
  return pads;
}

Window read_window(const Node& node, const std::vector<int64_t>& spatial, std::vector<int64_t> kernel) {
  const size_t rank = spatial.size();
  const std::vector<int64_t> ones(rank, 1);
  Window window;
  if (kernel.empty()) kernel.assign(rank, 0);
  window.kernel = checked(node, "kernel_shape", std::move(kernel), 1);
  window.strides = checked(node, "strides", ones, 1);
  window.dilations = checked(node, "dilations", ones, 1);
  window.begin.assign(rank, 0);
  window.end.assign(rank, 0);
  const std::string mode = node.string_or("auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    const auto pads = checked(node, "pads", std::vector<int64_t>(2 * rank, 0), 0);
    std::copy_n(pads.begin(), rank, window.begin.begin());
    std::copy_n(pads.begin() + static_cast<int64_t>(rank), rank, window.end.begin());
  } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    for (size_t i = 0; i < rank; ++i) {
      const int64_t outputs = (spatial[i] + window.strides[i] - 1) / window.strides[i];
      const int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
      const int64_t total = std::max<int64_t>(0, (outputs - 1) * window.strides[i] + extent - spatial[i]);
      const int64_t smaller = total / 2;
      window.begin[i] = mode == "SAME_UPPER" ? smaller : total - smaller;
      window.end[i] = total - window.begin[i];
    }
  } else if (mode != "VALID") {
    throw Error("auto_pad '", mode, "' is not NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  }
  return window;
}

}  // namespace halftone

#include "halftone/export/packed_weight.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "halftone/quant/bit_packing.h"
#include "halftone/quant/spec.h"

namespace halftone {
namespace {

class Packer {
 public:
  Packer(Graph& graph, const std::string& name, int64_t& opset)
      : graph_(graph), name_(name), opset_(opset) {}

  // int8 codes of one width and `shape`.
  std::string uniform(const std::vector<int32_t>& codes, const Shape& shape, int bits) {
    require_fit(codes, bits);
    if (bits == 4) return direct(codes, shape, DType::kInt4, bits, 21);
    if (bits == 2) return direct(codes, shape, DType::kInt2, bits, 25);
    if (bits == 8) return constant(Tensor::from_doubles(DType::kInt8, shape, doubles(codes)));
    return planes(codes, shape, bits);
  }

  // Groups of channels by their width, one after another, brought back into order by a Gather.
  std::string mixed(const std::vector<int32_t>& codes, const Shape& shape,
                    const std::vector<int>& widths, size_t axis) {
    std::map<int, std::vector<int64_t>> groups;
    for (size_t c = 0; c < widths.size(); ++c) groups[widths[c]].push_back(static_cast<int64_t>(c));
    std::vector<std::string> parts;
    std::vector<int64_t> place(widths.size());  // of each channel in the concatenation
    int64_t next = 0;
    for (const auto& [bits, channels] : groups) {
      Shape part_shape = shape;
      part_shape[axis] = static_cast<int64_t>(channels.size());
      parts.push_back(uniform(taken(codes, shape, channels, axis), part_shape, bits));
      for (int64_t c : channels) place[static_cast<size_t>(c)] = next++;
    }
    if (parts.size() == 1) return parts[0];
    const auto axis_value = static_cast<int64_t>(axis);
    const std::string all = node("Concat", parts, {{"axis", axis_value}});
    if (std::ranges::is_sorted(place)) return all;
    std::string indices = constant(
        place.size() <= 256 ? Tensor::from_doubles(DType::kUint8, {next}, doubles(place))
                            : Tensor::from_doubles(DType::kUint16, {next}, doubles(place)));
    indices = node("Cast", {indices}, {{"to", static_cast<int64_t>(DType::kInt32)}});
    return node("Gather", {all, indices}, {{"axis", axis_value}});
  }

 private:
  template <typename T>
  static std::vector<double> doubles(const std::vector<T>& values) {
    return {values.begin(), values.end()};
  }

  void require_fit(const std::vector<int32_t>& codes, int bits) const {
    const CodeRange range = bits == 1 ? CodeRange{-1, 1} : full_range(bits, true);
    for (int32_t code : codes)
      if (code < range.qmin || code > range.qmax || (bits == 1 && code == 0))
        throw Error("packing weight '", name_, "': the code ", code, " does not fit ", bits,
                    " bits");
  }

  // The slices `channels` of `axis`.
  static std::vector<int32_t> taken(const std::vector<int32_t>& codes, const Shape& shape,
                                    const std::vector<int64_t>& channels, size_t axis) {
    const auto inner = static_cast<size_t>(strides_of(shape)[axis]);
    const size_t block = inner * static_cast<size_t>(shape[axis]);
    std::vector<int32_t> result;
    for (size_t first = 0; first < codes.size(); first += block)
      for (int64_t c : channels) {
        const auto begin =
            codes.begin() + static_cast<int64_t>(first + static_cast<size_t>(c) * inner);
        result.insert(result.end(), begin, begin + static_cast<int64_t>(inner));
      }
    return result;
  }

  std::string constant(Tensor tensor) {
    const std::string name = graph_.unique_name(name_ + "_packed");
    graph_.initializers[name] = std::move(tensor);
    return name;
  }

  // A constant that all packed weights share.
  std::string shared(const std::string& name, Tensor tensor) {
    graph_.initializers.try_emplace(name, std::move(tensor));
    return name;
  }

  std::string node(const std::string& op, std::vector<std::string> inputs,
                   Attributes attributes = {}) {
    const std::string name = graph_.unique_name(name_ + "_" + op);
    graph_.nodes.push_back({.op_type = op,
                            .inputs = std::move(inputs),
                            .outputs = {name},
                            .attributes = std::move(attributes)});
    return name;
  }

  // A type of that width, and a Cast.
  std::string direct(const std::vector<int32_t>& codes, const Shape& shape, DType dtype, int bits,
                     int64_t opset) {
    opset_ = std::max(opset_, opset);
    const std::string stored = constant(Tensor::from_bytes(dtype, shape, pack_bits(codes, bits)));
    return node("Cast", {stored}, {{"to", static_cast<int64_t>(DType::kInt8)}});
  }

  // One plane of n/8 bytes for each bit. The bits are weighted by 1, 2, .. and -2^(k-1): two's
  // complement.
  std::string planes(const std::vector<int32_t>& codes, const Shape& shape, int bits) {
    opset_ = std::max<int64_t>(opset_, 18);
    const size_t bytes = (codes.size() + 7) / 8;
    std::vector<std::byte> stored(static_cast<size_t>(bits) * bytes);
    for (size_t i = 0; i < codes.size(); ++i)
      for (int k = 0; k < bits; ++k) {
        const int bit = bits == 1 ? codes[i] > 0 : (codes[i] >> k) & 1;
        if (bit) stored[static_cast<size_t>(k) * bytes + i / 8] |= std::byte(1u << (i % 8));
      }
    const std::string packed = constant(Tensor::from_bytes(
        DType::kUint8, {bits, static_cast<int64_t>(bytes), 1}, std::move(stored)));
    const std::string shifts =
        shared("halftone_shifts", Tensor::of<uint8_t>({8}, {0, 1, 2, 3, 4, 5, 6, 7}));
    const std::string one = shared("halftone_one", Tensor::scalar<uint8_t>(1));
    std::string value = node("BitShift", {packed, shifts}, {{"direction", std::string("RIGHT")}});
    value = node("Cast", {node("BitwiseAnd", {value, one})},
                 {{"to", static_cast<int64_t>(DType::kInt32)}});
    std::vector<int32_t> weights;
    for (int k = 0; k < bits; ++k)
      weights.push_back(k + 1 < bits || bits == 1 ? 1 << k : -(1 << k));
    if (bits == 1) weights[0] = 2;
    value = node("Mul", {value, shared(text("halftone_weights_", bits),
                                       Tensor::of<int32_t>({bits, 1, 1}, weights))});
    value = node("ReduceSum", {value, shared("halftone_axis", Tensor::of<int64_t>({1}, {0}))},
                 {{"keepdims", int64_t{0}}});
    if (bits == 1)
      value = node("Sub", {value, shared("halftone_minus", Tensor::scalar<int32_t>(1))});
    if (bytes * 8 != codes.size()) {
      value = node("Reshape", {value, shared("halftone_flat", Tensor::of<int64_t>({1}, {-1}))});
      value =
          node("Slice", {value, shared("halftone_axis", {}),
                         constant(Tensor::of<int64_t>({1}, {static_cast<int64_t>(codes.size())}))});
    }
    value =
        node("Reshape",
             {value, constant(Tensor::of<int64_t>({static_cast<int64_t>(shape.size())}, shape))});
    return node("Cast", {value}, {{"to", static_cast<int64_t>(DType::kInt8)}});
  }

  Graph& graph_;
  const std::string& name_;
  int64_t& opset_;
};

// About what the nodes and constants take that unpack a group.
double overhead_bytes(int bits) { return bits == 8 ? 0 : bits == 4 || bits == 2 ? 30 : 300; }
// What puts groups together, beside a byte a channel.
constexpr double kJoiningBytes = 200;

}  // namespace

std::vector<int> storage_widths(const std::vector<int>& widths, int64_t elements) {
  std::vector<int> best(widths.size(), 8);
  double least = static_cast<double>(elements) * static_cast<double>(widths.size());
  for (unsigned set = 0; set < 128; ++set) {  // of the widths 1..7; 8 is always there
    std::vector<int> stored;
    double bytes = 0;
    std::set<int> groups;
    for (int bits : widths) {
      while (bits < 8 && !(set >> (bits - 1) & 1)) ++bits;
      stored.push_back(bits);
      groups.insert(bits);
      bytes += static_cast<double>(elements * bits) / 8;
    }
    for (int bits : groups) bytes += overhead_bytes(bits);
    if (groups.size() > 1) bytes += kJoiningBytes + static_cast<double>(widths.size());
    if (bytes < least) least = bytes, best = std::move(stored);
  }
  return best;
}

std::string add_packed_weight(Graph& graph, const std::string& name, const Tensor& codes,
                              const std::vector<int>& widths, int axis, int64_t& opset) {
  const auto values = codes.to_vector<int32_t>();
  Packer packer(graph, name, opset);
  if (widths.size() == 1) return packer.uniform(values, codes.shape(), widths[0]);
  return packer.mixed(values, codes.shape(), widths, static_cast<size_t>(axis));
}

}  // namespace halftone

// MatMulNBits (com.microsoft): a matrix of few bits in blocks along its rows.
#include "halftone/onnx/qdq_rewriter.h"
#include "halftone/quant/bit_packing.h"

namespace halftone {
namespace {

struct Geometry {
  int64_t k, n, bits, block;
  int64_t blocks() const { return (k + block - 1) / block; }
};

// Rows of packed codes, each row on whole bytes: element (i, j) of [rows, width].
std::vector<int32_t> unpacked_rows(const Tensor& packed, int64_t rows, int64_t width, int64_t bits,
                                   const Node& node) {
  const int64_t row_bytes = (width * bits + 7) / 8;
  if (packed.dtype() != DType::kUint8 || packed.count() != rows * row_bytes)
    throw Error("rewriting ", node.label(), ": a packed tensor has ", packed.count(),
                " elements of ", name_of(packed.dtype()), " where ", rows * row_bytes,
                " bytes are needed");
  std::vector<int32_t> codes;
  for (int64_t row = 0; row < rows; ++row) {
    const auto bytes = packed.bytes().subspan(static_cast<size_t>(row * row_bytes),
                                              static_cast<size_t>(row_bytes));
    const auto values =
        unpack_bits(bytes, static_cast<size_t>(width), static_cast<int>(bits), false);
    codes.insert(codes.end(), values.begin(), values.end());
  }
  return codes;
}

// [n, columns] to [columns, n], of which the first `kept` rows.
template <typename T>
std::vector<double> transposed(const std::vector<T>& values, int64_t n, int64_t columns,
                               int64_t kept) {
  std::vector<double> result;
  for (int64_t j = 0; j < kept; ++j)
    for (int64_t i = 0; i < n; ++i)
      result.push_back(static_cast<double>(values[static_cast<size_t>(i * columns + j)]));
  return result;
}

void rewrite(QdqRewriter& r, Node node) {
  const Geometry g{node.int_or("K", 0), node.int_or("N", 0), node.int_or("bits", 4),
                   node.int_or("block_size", 0)};
  const Tensor& packed = r.required(node, 1, "weight");
  const Tensor& scales = r.required(node, 2, "scale");
  constexpr int64_t kMost = int64_t{1} << 31;
  if (g.k < 1 || g.n < 1 || g.block < 1 || g.k > kMost / g.n || g.block > kMost || g.bits < 1 ||
      g.bits > 8 || scales.count() != g.n * g.blocks())
    throw Error("rewriting ", node.label(), ": K ", g.k, ", N ", g.n, ", bits ", g.bits,
                ", block_size ", g.block, " and ", scales.count(), " scales do not fit each other");
  if (!node.input(4).empty())
    throw Error("rewriting ", node.label(), ": permuted groups (g_idx) have no QDQ form");
  const DType dtype = g.bits == 4 ? DType::kUint4 : g.bits == 2 ? DType::kUint2 : DType::kUint8;
  r.needs_opset(g.bits == 2 ? 25 : 21);

  const auto codes = unpacked_rows(packed, g.n, g.blocks() * g.block, g.bits, node);
  const Shape blocks{g.blocks(), g.n};
  std::vector<double> zeros(static_cast<size_t>(element_count(blocks)),
                            static_cast<double>(1 << (g.bits - 1)));
  if (!node.input(3).empty()) {
    const Tensor& points = r.required(node, 3, "zero point");
    if (points.dtype() != DType::kUint8)
      throw Error("rewriting ", node.label(), ": zero points of ", name_of(points.dtype()),
                  " have no QDQ form; uint8 have");
    zeros = transposed(unpacked_rows(points, g.n, g.blocks(), g.bits, node), g.n, g.blocks(),
                       g.blocks());
  }
  const std::string& name = node.input(1);
  Node dq{.name = r.unique(name + "_DequantizeLinear"),
          .op_type = "DequantizeLinear",
          .inputs = {r.constant(
                         name + "_quantized",
                         Tensor::from_doubles(dtype, {g.k, g.n},
                                              transposed(codes, g.n, g.blocks() * g.block, g.k))),
                     r.constant(name + "_scale",
                                Tensor::from_doubles(scales.dtype(), blocks,
                                                     transposed(scales.to_vector<float>(), g.n,
                                                                g.blocks(), g.blocks()))),
                     r.constant(name + "_zero_point", Tensor::from_doubles(dtype, blocks, zeros))},
          .attributes = {{"axis", int64_t{0}}, {"block_size", g.block}}};
  dq.outputs = {dq.name};
  const std::string weight = dq.name;
  r.add(std::move(dq));
  const bool has_bias = !node.input(5).empty();
  const std::string product = has_bias ? r.unique(node.outputs[0] + "_product") : node.outputs[0];
  r.add({.name = node.name,
         .op_type = "MatMul",
         .inputs = {node.input(0), weight},
         .outputs = {product}});
  if (has_bias)
    r.add({.name = node.name + "_bias",
           .op_type = "Add",
           .inputs = {product, node.input(5)},
           .outputs = node.outputs});
}

HALFTONE_REGISTER(QuantizedForm, "com.microsoft.MatMulNBits", rewrite);

}  // namespace
}  // namespace halftone

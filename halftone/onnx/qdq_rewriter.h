// What the rewriting of quantized operators shares: the graph under way, and Q and DQ in one call.
//
//   void rewrite(QdqRewriter& r, Node node) {
//     r.add({.op_type = "Sigmoid", .inputs = {r.dequantized(x, scale, zero_point)}, .outputs =
//     {y}});
//   }
//   HALFTONE_REGISTER(QuantizedForm, "com.microsoft.QLinearSigmoid", rewrite);
#pragma once

#include <set>
#include <string>
#include <vector>

#include "halftone/base/registry.h"
#include "halftone/graph/graph.h"
#include "halftone/graph/links.h"

namespace halftone {

class QdqRewriter {
 public:
  explicit QdqRewriter(const Graph& source);

  // The graph as it was read.
  const Graph& source() const { return source_; }
  const Links& links() const { return links_; }

  // A name that nothing has yet.
  std::string unique(const std::string& wanted);
  // Adds an initializer under a free name like `wanted`; returns the name.
  std::string constant(const std::string& wanted, Tensor value);
  // The constant of that name; throws Error naming the node and the input's role where it is
  // computed.
  const Tensor& required(const Node& node, size_t input, const char* role) const;

  void add(Node node);
  // Leaves out a node of the source that a rewritten one covers.
  void drop(int index) { dropped_.insert(index); }
  bool is_dropped(int index) const { return dropped_.contains(index); }

  // Adds DequantizeLinear; returns what it makes. axis -1: the scale is one number. zero_point ""
  // is zero.
  std::string dequantized(const std::string& codes, const std::string& scale,
                          const std::string& zero_point, int64_t axis = -1);
  // Adds the QuantizeLinear that makes `output`; `like`: codes whose type the output has where
  // zero_point is "".
  void quantize(const std::string& value, const std::string& scale, const std::string& zero_point,
                const std::string& like, const std::string& output);
  // The axis along which a scale varies: -1 for one number, else `axis`.
  int64_t axis_of(const std::string& scale, int64_t axis) const;

  // The nodes and initializers made so far, in place of the source's.
  Graph finish();
  // The opset that what was added needs.
  int64_t opset() const { return opset_; }
  void needs_opset(int64_t opset) { opset_ = std::max(opset_, opset); }

 private:
  const Graph& source_;
  Graph graph_;
  Links links_;
  std::set<std::string> taken_;
  std::set<int> dropped_;
  int64_t opset_ = 13;
};

// How one operator is rewritten.
struct QuantizedForm {
  static constexpr const char* kKind = "quantized operator";
  std::string name;  // the domain, a dot where it is not ONNX's, and the op_type
  void (*rewrite)(QdqRewriter&, Node node);  // throws Error
};

}  // namespace halftone

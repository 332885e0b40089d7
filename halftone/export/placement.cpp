#include "halftone/export/placement.h"

#include <algorithm>
#include <functional>
#include <map>
#include <unordered_map>

#include "halftone/graph/cost.h"
#include "halftone/graph/links.h"
#include "halftone/graph/moving.h"
#include "halftone/graph/passes/separate_skips.h"

namespace halftone {
namespace {

// What onnxruntime 1.32 does with an operator between DQ and Q; measured on its optimized graphs.
enum class Kind {
  kWeighted,      // Conv, Gemm, MatMul: the reason for it all
  kCompute,       // integer kernel with its own output scale
  kSharing,       // moves codes: output shares the input's scale
  kFloatSharing,  // the same values in float: quantizing around it costs nothing but does not fuse
  kFloat,
};

const std::map<std::string, Kind>& kinds() {
  static const std::map<std::string, Kind> table = [] {
    std::map<std::string, Kind> result;
    for (const char* op : {"Conv", "Gemm", "MatMul"}) result[op] = Kind::kWeighted;
    for (const char* op : {"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid",
                           "LeakyRelu", "Softmax"})
      result[op] = Kind::kCompute;
    for (const char* op : {"ReduceMax", "ReduceMin"}) result[op] = Kind::kSharing;
    result["Pad"] = Kind::kFloatSharing;
    return result;
  }();
  return table;
}

Kind kind_of(const Graph& graph, const Node& node) {
  if (!node.domain.empty()) return Kind::kFloat;
  if (moves_elements(node)) return Kind::kSharing;
  const auto found = kinds().find(node.op_type);
  if (found == kinds().end()) return Kind::kFloat;
  if (node.op_type == "Pad") {
    const Tensor* value = graph.constant(node.input(2));
    const bool by_zero = node.input(2).empty() || (value && value->item<double>() == 0);
    if (node.string_or("mode", "constant") == "constant" && !by_zero) return Kind::kFloat;
  }
  return found->second;
}

// Inputs that carry data: what is neither constant nor an index, shape or axis.
std::vector<std::string> data_inputs(const Node& node, Kind kind) {
  if (kind == Kind::kSharing || kind == Kind::kFloatSharing) return {node.inputs[0]};
  if (kind == Kind::kWeighted) {
    if (node.op_type == "MatMul") return {node.inputs[0], node.inputs[1]};
    return {node.inputs[0]};
  }
  return node.inputs;
}

class Placer {
 public:
  Placer(const Graph& graph, const Profile& profile, const std::set<std::string>& keep_float)
      : graph_(graph),
        profile_(profile),
        keep_float_(keep_float),
        links_(graph),
        is_integer_(graph.nodes.size(), false),
        absorbed_by_(graph.nodes.size(), -1),
        reasons_(graph.nodes.size()) {}

  Placement run() {
    choose_weighted();
    if (profile_.quantizes_outputs) {
      choose_others();
      prune_unused();
      mark_outputs();
    }
    mark_inputs();
    return collect();
  }

 private:
  const Node& node(int i) const { return graph_.nodes[static_cast<size_t>(i)]; }
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  bool integer(int i) const { return is_integer_[static_cast<size_t>(i)]; }

  void keep_in_float(int i, std::string reason) {
    is_integer_[static_cast<size_t>(i)] = false;
    reasons_[static_cast<size_t>(i)] = std::move(reason);
  }

  bool is_constant(const std::string& name) const { return graph_.constant(name) != nullptr; }
  bool is_float32(const std::string& name) const {
    const DType dtype = graph_.type(name).dtype;
    return dtype == DType::kFloat || dtype == DType::kUndefined;
  }

  // The tensor behind a node's fused activation: the Relu or Clip that alone reads it.
  std::string group_output(int i, std::optional<float>* limit = nullptr,
                           bool* non_negative = nullptr, int* activation = nullptr) const {
    const std::string& output = node(i).outputs[0];
    const int next = links_.only_consumer(output);
    if (next < 0 || !node(next).domain.empty() || profile_.activation_type != DType::kUint8)
      return output;
    const Node& after = node(next);
    std::optional<float> ceiling;
    if (after.op_type == "Clip") {
      const Tensor* low = graph_.constant(after.input(1));
      const Tensor* high = graph_.constant(after.input(2));
      if (!low || low->item<float>() != 0 || (!after.input(2).empty() && !high)) return output;
      if (high) ceiling = high->item<float>();
      if (ceiling && *ceiling <= 0) return output;
    } else if (after.op_type != "Relu") {
      return output;
    }
    if (limit) *limit = ceiling;
    if (non_negative) *non_negative = true;
    if (activation) *activation = next;
    return after.outputs[0];
  }

  // Why a weighted node cannot run on integers; empty where it can.
  std::string obstacle(int i) const {
    const Node& n = node(i);
    for (const std::string& name : n.inputs)
      if (!name.empty() && keep_float_.contains(name)) return text("'", name, "' is kept in float");
    const std::string output = group_output(i);
    if (n.op_type == "Conv" && keep_float_.contains(output))
      return text("'", output, "' is kept in float");
    if (!is_float32(n.inputs[0])) return "its input is not float32";
    const Tensor* weight = graph_.constant(n.input(1));
    if (n.op_type != "MatMul" && !weight) return "its weight is computed, not constant";
    if (weight && weight->dtype() != DType::kFloat)
      return "its weight is " + name_of(weight->dtype()) + ", not float32";
    if (n.op_type == "MatMul") {
      if (is_constant(n.inputs[0])) return "its left side is constant";
      if (weight && weight->rank() != 2)
        return "its weight has " + std::to_string(weight->rank()) + " axes, not 2";
      return "";
    }
    if (!n.input(2).empty() &&
        (!graph_.constant(n.inputs[2]) || graph_.constant(n.inputs[2])->rank() != 1))
      return "its bias is not a constant vector";
    if (n.op_type == "Gemm") {
      if (n.float_or("alpha", 1) != 1 || n.float_or("beta", 1) != 1)
        return "alpha or beta is not 1";
      if (n.int_or("transA", 0)) return "its input is transposed";
      if (!n.input(2).empty() &&
          graph_.constant(n.inputs[2])->count() != weight->shape()[n.int_or("transB", 0) ? 0 : 1])
        return "its bias is broadcast";
    }
    return "";
  }

  void choose_weighted() {
    for (int i = 0; i < count(); ++i) {
      if (kind_of(graph_, node(i)) != Kind::kWeighted) continue;
      const std::string reason = obstacle(i);
      if (reason.empty()) {
        is_integer_[static_cast<size_t>(i)] = true;
        for (const std::string& name : data_inputs(node(i), Kind::kWeighted)) {
          if (!is_constant(name)) quantized_.insert(name);
          const int maker = links_.producer(name);
          if (maker >= 0 && is_skip_copy(node(maker))) quantized_.insert(node(maker).inputs[0]);
        }
        may_quantize_.insert(group_output(i));
      } else {
        keep_in_float(i, reason);
      }
    }
  }

  // Operators between weighted ones follow where what they read is quantized.
  void choose_others() {
    for (int i = 0; i < count(); ++i) {
      const Kind kind = kind_of(graph_, node(i));
      if (kind != Kind::kCompute && kind != Kind::kSharing && kind != Kind::kFloatSharing) continue;
      const auto inputs = data_inputs(node(i), kind);
      std::string reason;
      for (const std::string& name : inputs) {
        if (name.empty() || is_constant(name))
          reason = "one of its inputs is constant";
        else if (!is_float32(name))
          reason = "its input is " + name_of(graph_.type(name).dtype);
        else if (keep_float_.contains(name))
          reason = text("'", name, "' is kept in float");
      }
      if (keep_float_.contains(group_output(i)))
        reason = text("'", group_output(i), "' is kept in float");
      const bool any = std::ranges::any_of(inputs, [&](const auto& name) {
        return quantized_.contains(name) || may_quantize_.contains(name);
      });
      if (reason.empty() && !any) reason = "nothing that it reads runs on integers";
      if (!reason.empty()) {
        if (kind == Kind::kCompute || any) keep_in_float(i, reason);
        continue;
      }
      is_integer_[static_cast<size_t>(i)] = true;
      may_quantize_.insert(kind == Kind::kCompute ? group_output(i) : node(i).outputs[0]);
      for (const std::string& output : node(i).outputs) may_quantize_.insert(output);
    }
  }

  bool has_integer_reader(const std::string& value) const {
    return std::ranges::any_of(links_.consumers(value), [&](int i) {
      return integer(i) || (is_skip_copy(node(i)) && has_integer_reader(node(i).outputs[0]));
    });
  }

  // An operator whose codes nobody reads as codes only loses by rounding.
  void prune_unused() {
    for (int i = count() - 1; i >= 0; --i) {
      const Kind kind = kind_of(graph_, node(i));
      if (!integer(i) || kind == Kind::kWeighted) continue;
      const bool used =
          std::ranges::any_of(node(i).outputs,
                              [&](const auto& name) { return has_integer_reader(name); }) ||
          (kind == Kind::kCompute && has_integer_reader(group_output(i)));
      if (!used) keep_in_float(i, "nothing that reads it runs on integers");
    }
  }

  // Q behind every integer operator, and the activation that it makes redundant.
  void mark_outputs() {
    for (int i = 0; i < count(); ++i) {
      if (!integer(i)) continue;
      const Kind kind = kind_of(graph_, node(i));
      int activation = -1;
      const std::string output = kind == Kind::kSharing || kind == Kind::kFloatSharing
                                     ? node(i).outputs[0]
                                     : group_output(i, nullptr, nullptr, &activation);
      // Gemm and MatMul may give float: better so where only float operators read it.
      const bool may_be_float = node(i).op_type == "Gemm" || node(i).op_type == "MatMul";
      if (may_be_float && !has_integer_reader(output)) continue;
      if (keep_float_.contains(output) && may_be_float) continue;
      if (activation >= 0) absorbed_by_[static_cast<size_t>(activation)] = i;
      quantized_.insert(output);
      if (node(i).op_type == "Split")
        quantized_.insert(node(i).outputs.begin(), node(i).outputs.end());
      maker_[output] = i;
    }
  }

  void mark_inputs() {
    for (int i = 0; i < count(); ++i) {
      if (!integer(i)) continue;
      const Kind kind = kind_of(graph_, node(i));
      for (const std::string& name : data_inputs(node(i), kind))
        if (!is_constant(name)) quantized_.insert(name);
    }
    if (profile_.quantizes_outputs) return;
    // TensorRT fuses Conv + Add where only the other input of the Add is quantized.
    for (int i = 0; i < count(); ++i) {
      if (node(i).op_type != "Add" || !node(i).domain.empty()) continue;
      for (size_t side : {size_t{0}, size_t{1}}) {
        const int maker = links_.producer(node(i).inputs[side]);
        const std::string& other = node(i).inputs[1 - side];
        if (maker >= 0 && integer(maker) && links_.only_consumer(node(i).inputs[side]) == i &&
            !is_constant(other)) {
          quantized_.insert(other);
          break;
        }
      }
    }
  }

  Site activation_site(const std::string& name) const {
    Site site{.name = name,
              .kind = SiteKind::kActivation,
              .node = links_.producer(name),
              .shares_with = name};
    const auto made = maker_.find(name);
    if (made != maker_.end() && kind_of(graph_, node(made->second)) != Kind::kSharing &&
        kind_of(graph_, node(made->second)) != Kind::kFloatSharing)
      group_output(made->second, &site.upper_limit, &site.is_non_negative);
    if (site.node < 0) return site;
    const Node& maker = node(site.node);
    const bool unit = maker.op_type == "Sigmoid" || maker.op_type == "Softmax";
    if (unit && profile_.activation_type == DType::kUint8)
      site.fixed_range = Range{0.0f, 255.0f / 256.0f};
    if (maker.op_type == "Relu" || unit) site.is_non_negative = true;
    const Kind kind = kind_of(graph_, maker);
    const bool moves = kind == Kind::kSharing || kind == Kind::kFloatSharing;
    if (moves && quantized_.contains(maker.inputs[0])) site.shares_with = maker.inputs[0];
    return site;
  }

  void add_constant_sites(std::vector<Site>& sites) const {
    std::set<std::string> seen;
    for (int i = 0; i < count(); ++i) {
      if (!integer(i) || kind_of(graph_, node(i)) != Kind::kWeighted) continue;
      const Tensor* weight = graph_.constant(node(i).input(1));
      if (weight && seen.insert(node(i).inputs[1]).second)
        sites.push_back({.name = node(i).inputs[1],
                         .kind = SiteKind::kWeight,
                         .node = i,
                         .axis = output_channel_axis(node(i), weight->rank())});
      if (profile_.has_integer_bias && !node(i).input(2).empty() && node(i).op_type != "MatMul")
        sites.push_back({.name = node(i).inputs[2], .kind = SiteKind::kBias, .node = i});
    }
  }

  // Follows shares_with to the site that has its own scale, and unites the inputs and the output of
  // Concat where asked.
  void settle_sharing(std::vector<Site>& sites) const {
    std::map<std::string, std::string> root;
    for (const Site& site : sites)
      if (site.kind == SiteKind::kActivation) root[site.name] = site.shares_with;
    auto find = [&](std::string name) {
      while (root.at(name) != name) name = root.at(name);
      return name;
    };
    if (profile_.shares_concat && profile_.quantizes_outputs)
      for (int i = 0; i < count(); ++i)
        if (integer(i) && node(i).op_type == "Concat")
          for (const std::string& input : node(i).inputs)
            root[find(input)] = find(node(i).outputs[0]);
    for (Site& site : sites)
      if (site.kind == SiteKind::kActivation) site.shares_with = find(site.name);
  }

  std::string reason_of(int i) const {
    if (is_skip_copy(node(i)))
      return quantized_.contains(node(i).outputs[0])
                 ? "it rounds to the bits of the layer behind it; the residual Add reads more bits "
                   "(--shared-skips leaves it out)"
                 : "it does nothing: the layer behind it is in float";
    const std::string& known = reasons_[static_cast<size_t>(i)];
    if (!known.empty()) return known;
    return text(profile_.name, " has no integer form of ", node(i).op_type);
  }

  Placement collect() {
    Placement result;
    std::vector<std::string> order;  // inputs first, then as the graph makes them
    for (const Value& input : graph_.inputs) order.push_back(input.name);
    for (const Node& n : graph_.nodes)
      order.insert(order.end(), n.outputs.begin(), n.outputs.end());
    for (const std::string& name : order)
      if (quantized_.contains(name) && !keep_float_.contains(name))
        result.sites.push_back(activation_site(name));
    add_constant_sites(result.sites);
    settle_sharing(result.sites);
    for (int i = 0; i < count(); ++i) {
      const bool in_float = !integer(i) || kind_of(graph_, node(i)) == Kind::kFloatSharing;
      if (!in_float || absorbed_by_[static_cast<size_t>(i)] >= 0 || node(i).outputs.empty())
        continue;
      const DType dtype = graph_.type(node(i).outputs[0]).dtype;
      if (dtype != DType::kUndefined && !is_floating(dtype)) continue;  // shape arithmetic
      result.float_operators.push_back({node(i).name.empty() ? node(i).outputs[0] : node(i).name,
                                        node(i).op_type, reason_of(i)});
    }
    result.is_integer = is_integer_;
    return result;
  }

  const Graph& graph_;
  const Profile& profile_;
  const std::set<std::string>& keep_float_;
  const Links links_;
  std::vector<bool> is_integer_;
  std::vector<int> absorbed_by_;
  std::vector<std::string> reasons_;
  std::set<std::string> quantized_;     // tensors that carry Q and DQ
  std::set<std::string> may_quantize_;  // made by an integer operator
  std::map<std::string, int> maker_;    // quantized tensor -> the integer node whose group makes it
};

}  // namespace

std::string to_string(SiteKind kind) {
  return kind == SiteKind::kWeight ? "weight" : kind == SiteKind::kBias ? "bias" : "activation";
}

const Site* Placement::find(const std::string& name, SiteKind kind) const {
  for (const Site& site : sites)
    if (site.name == name && site.kind == kind) return &site;
  return nullptr;
}

int output_channel_axis(const Node& node, int64_t weight_rank) {
  if (node.op_type == "Conv") return 0;
  if (node.op_type == "ConvTranspose") return node.int_or("group", 1) == 1 ? 1 : -1;
  if (node.op_type == "Gemm") return node.int_or("transB", 0) ? 0 : 1;
  if (node.op_type == "MatMul") return static_cast<int>(weight_rank) - 1;
  return -1;
}

Placement place(const Graph& graph, const Profile& profile,
                const std::set<std::string>& keep_float) {
  return Placer(graph, profile, keep_float).run();
}

std::set<std::string> separable_skips(const Graph& graph, const Placement& placement,
                                      const Profile& profile) {
  std::set<std::string> found;
  if (profile.narrow_activation != NarrowActivation::kIntegerClip) return found;
  const Links links(graph);
  const std::vector<bool> leads = leads_to_adds(graph);
  for (const Site& site : placement.sites) {
    if (site.kind != SiteKind::kActivation || site.shares_with != site.name || site.node < 0)
      continue;
    bool has_layer = false, has_add = false;
    for (int reader : links.consumers(site.name)) {
      const auto i = static_cast<size_t>(reader);
      if (!placement.is_integer[i]) continue;
      has_layer = has_layer || is_weighted(graph.nodes[i]);
      has_add = has_add || leads[i];
    }
    const std::string skip = skip_name(site.name);
    if (has_layer && has_add && !links.is_output(site.name) && graph.unique_name(skip) == skip)
      found.insert(site.name);
  }
  return found;
}

}  // namespace halftone

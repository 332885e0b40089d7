#include "halftone/export/qdq.h"

#include <algorithm>
#include <set>
#include <utility>

#include "halftone/export/site_records.h"
#include "halftone/export/weight_only.h"
#include "halftone/graph/links.h"
#include "halftone/onnx/raise_opset.h"
#include "halftone/quant/weight_scales.h"

namespace halftone {
namespace {

// Integer codes as a tensor of `dtype`.
Tensor code_tensor(DType dtype, const Shape& shape, const std::vector<int32_t>& codes) {
  const std::vector<double> values(codes.begin(), codes.end());
  return Tensor::from_doubles(dtype, shape, values);
}

SiteRecord record_of(const QuantParams& weight) {
  SiteRecord record{.kind = "weight",
                    .bits = weight.bits,
                    .axis = weight.axis,
                    .block_size = static_cast<int>(weight.block_size)};
  for (const Width& width : weight.channels) record.channel_bits.push_back(width.bits);
  return record;
}

class QdqWriter {
 public:
  QdqWriter(const Model& model, const Placement& placement, const QuantizedSites& sites,
            const Profile& profile, const QdqOptions& options)
      : model_(model),
        placement_(placement),
        sites_(sites),
        profile_(profile),
        options_(options),
        links_(model.graph),
        float_weights_(float_weights(model.graph, profile, placement.is_integer)) {
    for (const Node& node : model.graph.nodes)
      if (is_narrow(node.input(1)) && links_.consumers(node.outputs[0]).size() == 1)
        narrow_products_.insert(node.outputs[0]);
    const Graph& graph = model.graph;
    for (const Value& value : graph.inputs) taken_.insert(value.name);
    for (const auto& [name, tensor] : graph.initializers) taken_.insert(name);
    for (const Node& node : graph.nodes) taken_.insert(node.outputs.begin(), node.outputs.end());
  }

  Model run() {
    for (const Site& site : placement_.sites)
      if (site.kind == SiteKind::kActivation && is_quantized(site.name)) add_parameters(site.name);
    Graph& graph = model_.graph;
    std::vector<Node> old = std::exchange(graph.nodes, {});
    for (const Value& input : model_.graph.inputs) add_quantizer(input.name);
    for (size_t i = 0; i < old.size(); ++i) {
      Node node = std::move(old[i]);
      rewrite_inputs(node, static_cast<int>(i));
      std::vector<std::string> made;
      for (std::string& output : node.outputs) {
        made.push_back(output);
        if (is_quantized(output) && links_.is_output(output))
          output = raw_[output] = unique(output + "_raw");
      }
      add_node(std::move(node));
      for (const std::string& name : made) add_quantizer(name);
    }
    finish();
    return std::move(model_);
  }

 private:
  void add_node(Node node) {
    std::vector<Node>& nodes = model_.graph.nodes;
    const bool is_activation =
        (node.op_type == "Relu" || node.op_type == "Clip") && node.domain.empty();
    if (!is_activation || !narrow_products_.contains(node.inputs[0])) {
      nodes.push_back(std::move(node));
      return;
    }
    if (zero_.empty()) {
      zero_ = unique("halftone_zero");
      model_.graph.initializers[zero_] = Tensor::scalar<float>(0);
    }
    const auto parts = by_max_and_min(node, zero_, unique(node.outputs[0] + "_Max"));
    nodes.insert(nodes.end(), parts.begin(), parts.end());
  }

  bool is_quantized(const std::string& name) const { return sites_.activations.contains(name); }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !taken_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
    return name;
  }

  // The site under whose name a site's parameters are written: another one's where both share and
  // are equal.
  const std::string& owner_of(const std::string& name) const {
    const Site* site = placement_.find(name, SiteKind::kActivation);
    const auto owner = site ? sites_.activations.find(site->shares_with) : sites_.activations.end();
    if (owner == sites_.activations.end()) return name;
    const QuantParams& own = sites_.activations.at(name);
    return owner->second.scales == own.scales && owner->second.zero_points == own.zero_points
               ? owner->first
               : name;
  }

  // Scale and zero point of a site; those that share are written once.
  const std::pair<std::string, std::string>& add_parameters(const std::string& name) {
    const std::string& owner = owner_of(name);
    const auto found = parameters_.find(owner);
    if (found != parameters_.end()) return found->second;
    const QuantParams& params = sites_.activations.at(name);
    std::pair<std::string, std::string> names{unique(owner + "_scale"),
                                              unique(owner + "_zero_point")};
    model_.graph.initializers[names.first] = Tensor::scalar<float>(params.scales[0]);
    model_.graph.initializers[names.second] =
        code_tensor(profile_.activation_type, {}, params.zero_points);
    return parameters_[owner] = names;
  }

  // The Q of an activation, with the integer Clip of widths below 8 where the profile has one.
  void add_quantizer(const std::string& name) {
    if (!is_quantized(name)) return;
    Graph& graph = model_.graph;
    const auto& [scale, zero_point] = add_parameters(name);
    const std::string source = raw_.contains(name) ? raw_[name] : name;
    std::string codes = unique(name + "_QuantizeLinear");
    graph.nodes.push_back({.name = codes,
                           .op_type = "QuantizeLinear",
                           .inputs = {source, scale, zero_point},
                           .outputs = {codes}});
    const QuantParams& params = sites_.activations.at(name);
    if (needs_clip(name, params)) {
      const std::string clipped = unique(name + "_clipped");
      graph.nodes.push_back({.name = clipped,
                             .op_type = "Clip",
                             .inputs = {codes, bound(params.range.qmin), bound(params.range.qmax)},
                             .outputs = {clipped}});
      codes = clipped;
    }
    codes_[name] = codes;
    if (links_.is_output(name)) add_dequantizer(name, name);
  }

  // Q saturates at the ends of its type. Behind operators that only move codes the values are
  // within the range already.
  bool needs_clip(const std::string& name, const QuantParams& params) const {
    const CodeRange type = full_range(8, profile_.activation_type == DType::kInt8);
    const bool clips_low = profile_.narrow_activation == NarrowActivation::kIntegerClip &&
                           params.range.qmin > type.qmin;
    if (params.range.qmax >= type.qmax && !clips_low) return false;
    const std::string& owner = owner_of(name);
    const CodeRange& inside = sites_.activations.at(owner).range;
    return owner == name || inside.qmin < params.range.qmin || inside.qmax > params.range.qmax ||
           placement_.find(name, SiteKind::kActivation)->node < 0;
  }

  std::string bound(int32_t value) {
    const std::string name = text("halftone_bound_", value);
    if (taken_.insert(name).second)
      model_.graph.initializers[name] = code_tensor(profile_.activation_type, {}, {value});
    return name;
  }

  std::string add_dequantizer(const std::string& name, const std::string& output) {
    const auto& [scale, zero_point] = add_parameters(name);
    model_.graph.nodes.push_back({.name = unique(name + "_DequantizeLinear_node"),
                                  .op_type = "DequantizeLinear",
                                  .inputs = {codes_.at(name), scale, zero_point},
                                  .outputs = {output}});
    return output;
  }

  // One DQ for each reader: what every runtime's fusion understands.
  void rewrite_inputs(Node& node, int index) {
    const bool integer = placement_.is_integer[static_cast<size_t>(index)];
    const std::vector<std::string> before = node.inputs;
    if (integer && profile_.has_integer_bias && before.size() > 2 &&
        !sites_.biases.contains(before[2]) && placement_.find(before[2], SiteKind::kBias) &&
        sites_.weights.contains(before[1]) && is_quantized(before[0]))
      node.inputs[2] =
          add_bias(before[2], round_bias(model_.graph.initializers.at(before[2]).to_vector<float>(),
                                         sites_.activations.at(before[0]),
                                         sites_.weights.at(before[1]).params));
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const std::string name = before[k];
      if (is_quantized(name) && codes_.contains(name)) {
        node.inputs[k] = add_dequantizer(name, unique(name + "_DequantizeLinear"));
        if (k == 0 && !integer && would_be_quantized(node))
          node.inputs[k] = add_barrier(name, node.inputs[k]);
      } else if (sites_.weights.contains(name)) {
        node.inputs[k] = add_weight(name, sites_.weights.at(name));
      } else if (profile_.has_integer_bias && sites_.biases.contains(name)) {
        node.inputs[k] = add_bias(name, sites_.biases.at(name));
      } else if (k == 1 && !integer && !options_.float_weights) {
        node.inputs[1] = store_float_weight(node, name);
      }
    }
  }

  // A layer whose weight is kept in float, on a DQ: onnxruntime 1.32 quantizes such a weight
  // itself, one scale for all of it, and runs integers where a Q follows.
  bool would_be_quantized(const Node& node) const {
    const bool is_fused =
        node.op_type == "Conv" || node.op_type == "Gemm" || node.op_type == "MatMul";
    return profile_.quantizes_outputs && is_fused && node.domain.empty() &&
           model_.graph.constant(node.input(1)) && !sites_.weights.contains(node.input(1));
  }

  // A Max of one value changes nothing, and onnxruntime fuses nothing across it.
  std::string add_barrier(const std::string& name, const std::string& value) {
    const std::string output = unique(name + "_float");
    model_.graph.nodes.push_back(
        {.name = output + "_node", .op_type = "Max", .inputs = {value}, .outputs = {output}});
    return output;
  }

  std::string dequantized(const std::string& codes, const std::string& scale,
                          const std::string& zero_point, const QuantParams& params) {
    Node dq{.name = unique(codes + "_DequantizeLinear_node"),
            .op_type = "DequantizeLinear",
            .inputs = {codes, scale},
            .outputs = {unique(codes + "_DequantizeLinear")}};
    if (!zero_point.empty()) dq.inputs.push_back(zero_point);
    if (params.axis >= 0) dq.attributes["axis"] = static_cast<int64_t>(params.axis);
    if (params.block_size) dq.attributes["block_size"] = params.block_size;
    model_.graph.nodes.push_back(dq);
    return dq.outputs[0];
  }

  std::string add_weight(const std::string& name, const QuantTensor& weight) {
    auto [found, is_new] = weights_.try_emplace(name);
    WeightNames& names = found->second;
    Graph& graph = model_.graph;
    if (is_new) {
      const DType dtype = is_narrow(name) ? narrow_type(weight) : DType::kInt8;
      const Shape shape = scale_shape(weight.shape, weight.params);
      names = {unique(name + "_quantized"), unique(name + "_scale"), unique(name + "_zero_point")};
      graph.initializers[names.codes] = code_tensor(dtype, weight.shape, weight.codes);
      graph.initializers[names.scale] = Tensor::of<float>(shape, weight.params.scales);
      graph.initializers[names.zero_point] = code_tensor(dtype, shape, weight.params.zero_points);
      if (dtype == DType::kInt2) opset_ = std::max<int64_t>(opset_, 25);
      if (dtype == DType::kInt4 || weight.params.block_size) opset_ = std::max<int64_t>(opset_, 21);
    }
    return dequantized(names.codes, names.scale, names.zero_point, weight.params);
  }

  // A quantized weight that the target takes together with its product.
  bool is_narrow(const std::string& name) const {
    const auto found = float_weights_.find(name);
    return sites_.weights.contains(name) && found != float_weights_.end() && found->second.empty();
  }

  std::string add_bias(const std::string& name, const QuantTensor& bias) {
    const std::string codes = unique(name + "_quantized"), scale = unique(name + "_scale");
    model_.graph.initializers[codes] = code_tensor(DType::kInt32, bias.shape, bias.codes);
    model_.graph.initializers[scale] =
        Tensor::of<float>(scale_shape(bias.shape, bias.params), bias.params.scales);
    return dequantized(codes, scale, "", bias.params);
  }

  // int8 storage of a weight whose operator runs in float: a quarter of the size, the error of 8
  // bits per channel.
  std::string store_float_weight(const Node& node, const std::string& name) {
    const Tensor* weight = model_.graph.constant(name);
    const int axis = weight ? output_channel_axis(node, weight->rank()) : -1;
    const bool is_weighted = axis >= 0 || node.op_type == "ConvTranspose";
    if (!weight || weight->dtype() != DType::kFloat || weight->rank() < 2 || !is_weighted ||
        !node.domain.empty())
      return name;
    const auto params = weight_params(*weight, axis, 8, {-127, 127}, WeightScale::kMinMax, name);
    return add_weight(name, quantize_tensor(*weight, params, name));
  }

  void finish() {
    Graph& graph = model_.graph;
    std::set<std::string> read;
    for (const Node& node : graph.nodes) {
      read.insert(node.inputs.begin(), node.inputs.end());
      for (const std::string& name : node.captures()) read.insert(name);
    }
    for (const Value& output : graph.outputs) read.insert(output.name);
    std::erase_if(graph.initializers, [&](const auto& entry) {
      return !read.contains(entry.first) && !graph.is_input(entry.first);
    });
    graph.value_types.clear();
    raise_opset(model_, opset_);
    SiteRecords records;
    for (const auto& [name, params] : sites_.activations)
      records[name] = {.kind = "activation", .bits = params.bits};
    for (const auto& [name, weight] : sites_.weights) records[name] = record_of(weight.params);
    write_site_records(model_, records);
    model_.set_metadata("halftone.target", profile_.name);
  }

  struct WeightNames {
    std::string codes, scale, zero_point;
  };

  Model model_;
  const Placement& placement_;
  const QuantizedSites& sites_;
  const Profile& profile_;
  const QdqOptions& options_;
  const Links links_;
  const std::map<std::string, std::string> float_weights_;  // see weight_only.h
  std::set<std::string> narrow_products_;                   // of narrow weights, read by one node
  int64_t opset_ = 13;                                      // that the result needs
  std::set<std::string> taken_;
  std::string zero_;  // the bound of a Max; empty until one is needed
  std::map<std::string, std::pair<std::string, std::string>>
      parameters_;                            // owner site -> scale, zero point
  std::map<std::string, std::string> codes_;  // activation -> what its DQs read
  std::map<std::string, std::string> raw_;    // graph output -> its value before Q
  std::map<std::string, WeightNames> weights_;
};

}  // namespace

Model write_qdq(const Model& model, const Placement& placement, const QuantizedSites& sites,
                const Profile& profile, const QdqOptions& options) {
  return QdqWriter(model, placement, sites, profile, options).run();
}

QuantTensor round_bias(const std::vector<float>& bias, const QuantParams& input,
                       const QuantParams& weight) {
  constexpr CodeRange kCodes{-(1 << 30), 1 << 30};
  const size_t scales = weight.is_per_channel() ? bias.size() : 1;
  QuantTensor result{
      {static_cast<int64_t>(bias.size())},
      {},
      {{}, std::vector<int32_t>(scales, 0), weight.is_per_channel() ? 0 : -1, 32, kCodes}};
  for (size_t c = 0; c < scales; ++c)
    result.params.scales.push_back(input.scales[0] * weight.scales[c]);
  for (size_t c = 0; c < bias.size(); ++c)
    result.codes.push_back(quantize(bias[c], result.params.scales[scales > 1 ? c : 0], 0, kCodes));
  return result;
}

void fit_bias(QuantParams& weight, const std::vector<float>& bias, const QuantParams& input,
              int64_t products) {
  if (bias.empty()) return;
  const double largest_input = std::max(-input.range.qmin, input.range.qmax);
  for (size_t c = 0; c < bias.size(); ++c) {
    const size_t channel = weight.is_per_channel() ? c : 0;
    const CodeRange codes = weight.width_at(channel).range;
    const double largest_product =
        static_cast<double>(products) * std::max(-codes.qmin, codes.qmax) * largest_input;
    const double room = std::max(0x1p20, 0x1p30 - largest_product);
    float& scale = weight.scales[channel];
    const double least =
        std::fabs(static_cast<double>(bias[c])) / (room * static_cast<double>(input.scales[0]));
    if (static_cast<double>(scale) < least) scale = static_cast<float>(least * (1 + 1e-6));
  }
}

}  // namespace halftone

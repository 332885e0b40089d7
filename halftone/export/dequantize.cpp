#include "halftone/export/dequantize.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "halftone/export/site_records.h"
#include "halftone/graph/cost.h"
#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/interpreter.h"
#include "halftone/graph/links.h"
#include "halftone/graph/moving.h"
#include "halftone/graph/passes/passes.h"
#include "halftone/graph/rename.h"

namespace halftone {
namespace {

// Absent, or nothing but 0, as other tools write it for biases.
bool is_zero(const Tensor* zero_point) {
  if (!zero_point) return true;
  const auto values = zero_point->to_vector<int64_t>();
  return std::ranges::all_of(values, [](int64_t value) { return value == 0; });
}

bool is_op(const Node& node, const char* op) { return node.op_type == op && node.domain.empty(); }

class Dequantizer {
 public:
  Dequantizer(const Model& model, bool keeps_numbers)
      : source_(model.graph),
        keeps_numbers_(keeps_numbers),
        links_(model.graph),
        records_(read_site_records(model)) {
    result_.model = model;
    result_.model.graph.nodes.clear();
    for (const Value& value : source_.inputs) taken_.insert(value.name);
    for (const auto& [name, tensor] : source_.initializers) taken_.insert(name);
    for (const Node& node : source_.nodes) {
      taken_.insert(node.outputs.begin(), node.outputs.end());
      for (const std::string& name : node.captures()) captured_.insert(name);
    }
  }

  Dequantized run() {
    for (size_t i = 0; i < source_.nodes.size(); ++i) {
      const Node& original = source_.nodes[i];
      Node node = original;
      for (std::string& name : node.inputs) name = current(name);
      if (is_op(node, "QuantizeLinear"))
        take_quantizer(original, node, static_cast<int>(i));
      else if (is_op(node, "Clip") && codes_.contains(node.inputs[0]))
        narrow(node);
      else if (moves_elements(node) && codes_.contains(node.inputs[0]))
        add_twin(node);
      else if (is_op(node, "DequantizeLinear") && take_dequantizer(node))
        continue;
      graph().nodes.push_back(std::move(node));
    }
    finish();
    return std::move(result_);
  }

 private:
  // Width of a site by halftone's own record; 0 where it is not told.
  int told_bits(const std::string& site) const {
    const auto found = records_.find(site);
    return found == records_.end() ? 0 : found->second.bits;
  }

  // Codes and the value that they stand for.
  struct Codes {
    std::string value;
    QuantParams params;
    Tensor scale, zero_point;
  };

  Graph& graph() { return result_.model.graph; }
  std::string current(const std::string& name) const { return substituted(renamed_, name); }

  std::string unique(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !taken_.insert(name).second; ++i) name = wanted + "_" + std::to_string(i);
    return name;
  }

  // The name of a value by that of its codes.
  std::string value_name(const std::string& codes, const std::string& fallback) {
    for (const std::string suffix : {"_quantized", "_QuantizeLinear"})
      if (codes.ends_with(suffix) && codes.size() > suffix.size())
        if (const std::string name = codes.substr(0, codes.size() - suffix.size());
            taken_.insert(name).second)
          return name;
    return fallback;
  }

  // Scale and zero point of a Q or DQ for one 8-bit tensor, with codes counted from 0.
  std::optional<Codes> tensor_parameters(const Node& node) const {
    const Tensor* scale = source_.constant(node.input(1));
    const Tensor* zero_point = source_.constant(node.input(2));
    if (!scale || scale->dtype() != DType::kFloat || scale->count() != 1 ||
        node.int_or("block_size", 0) != 0)
      return {};
    if (!node.input(2).empty() && !zero_point) return {};
    const DType dtype =
        zero_point ? zero_point->dtype() : static_cast<DType>(node.int_or("output_dtype", 2));
    if (dtype != DType::kUint8 && dtype != DType::kInt8) return {};
    const int32_t shift = dtype == DType::kInt8 ? 128 : 0;
    const int32_t zero = zero_point ? zero_point->item<int32_t>() : 0;
    return Codes{{},
                 {{scale->item<float>()}, {zero + shift}, -1, 8, {0, 255}},
                 *scale,
                 zero_point ? zero_point->reshaped({}) : Tensor::scalar<uint8_t>(0)};
  }

  void take_quantizer(const Node& original, const Node& node, int index) {
    auto parameters = tensor_parameters(node);
    const std::string& value = node.inputs[0];
    if (!keeps_numbers_ && !source_.constant(value)) {
      codes_[node.outputs[0]] = parameters.value_or(Codes{});
      codes_[node.outputs[0]].value = value;
      return;
    }
    if (!parameters || source_.constant(value)) return;
    const auto present = result_.sites.activations.find(value);
    const bool is_alone = links_.only_consumer(original.inputs[0]) == index;
    const bool is_repeated = present != result_.sites.activations.end() &&
                             present->second.scales == parameters->params.scales &&
                             present->second.zero_points == parameters->params.zero_points;
    if (present != result_.sites.activations.end() ? !is_repeated : !is_alone) return;
    parameters->value = value;
    if (is_repeated) parameters->params = present->second;
    codes_[node.outputs[0]] = *parameters;
  }

  void narrow(const Node& clip) {
    Codes codes = codes_.at(clip.inputs[0]);
    const Tensor* low = source_.constant(clip.input(1));
    const Tensor* high = source_.constant(clip.input(2));
    // Codes that somebody reads before the Clip have two ranges.
    const bool is_alone = links_.only_consumer(clip.inputs[0]) >= 0;
    if (keeps_numbers_ && (!is_alone || (low && low->count() != 1) || (high && high->count() != 1)))
      return;
    const int32_t shift =
        codes.zero_point.defined() && codes.zero_point.dtype() == DType::kInt8 ? 128 : 0;
    CodeRange& range = codes.params.range;
    if (low) range.qmin = std::max(range.qmin, low->to_vector<int32_t>().at(0) + shift);
    if (high) range.qmax = std::min(range.qmax, high->to_vector<int32_t>().at(0) + shift);
    if (range.qmin >= range.qmax) return;
    if (const int bits = clipped_width(source_, clip)) codes.params.bits = std::min(bits, 8);
    codes_[clip.outputs[0]] = std::move(codes);
  }

  // The same move on the value; the one on codes goes as dead code.
  void add_twin(const Node& node) {
    const Codes codes = codes_.at(node.inputs[0]);
    Node twin = node;
    twin.inputs[0] = codes.value;
    for (std::string& output : twin.outputs) {
      const std::string name = value_name(output, output + "_float");
      codes_[output] = codes;
      codes_[output].value = name;
      taken_.insert(name);
      output = name;
      twins_.insert(name);
    }
    if (keeps_numbers_) result_.sites.activations[codes.value] = codes.params;
    graph().nodes.push_back(std::move(twin));
  }

  // Whether the DQ is gone.
  bool take_dequantizer(const Node& node) {
    if (captured_.contains(node.outputs[0])) {
      // A subgraph reads it by its name.
    } else if (const Tensor* codes = source_.constant(node.inputs[0])) {
      if (take_constant(node, *codes)) return true;
    } else if (const auto found = codes_.find(node.inputs[0]); found != codes_.end()) {
      if (take_pair(node, found->second)) return true;
    }
    result_.kept.insert(node.outputs[0]);
    return false;
  }

  bool take_pair(const Node& node, const Codes& codes) {
    const std::string& output = node.outputs[0];
    if (keeps_numbers_) {
      const auto parameters = tensor_parameters(node);
      const bool is_same = parameters &&
                           parameters->scale.reshaped({}) == codes.scale.reshaped({}) &&
                           parameters->zero_point == codes.zero_point;
      const auto present = result_.sites.activations.find(codes.value);
      if (!is_same ||
          (present != result_.sites.activations.end() && present->second != codes.params))
        return false;
    }
    if (links_.is_output(output)) {
      // The graph's output keeps its name; what makes its value takes it over.
      if (source_.is_input(codes.value) || links_.is_output(codes.value) ||
          output_of_.contains(codes.value)) {
        if (keeps_numbers_) return false;
        graph().nodes.push_back(
            {.name = output, .op_type = "Identity", .inputs = {codes.value}, .outputs = {output}});
        return true;
      }
      output_of_[codes.value] = output;
    }
    renamed_[output] = codes.value;
    if (keeps_numbers_) result_.sites.activations[codes.value] = codes.params;
    return true;
  }

  bool take_constant(const Node& node, const Tensor& codes) {
    const Tensor* scale = source_.constant(node.input(1));
    const Tensor* zero_point = source_.constant(node.input(2));
    const std::string& output = node.outputs[0];
    if (!scale || (!node.input(2).empty() && !zero_point) || links_.is_output(output)) return false;
    const int bits = bits_of(codes.dtype());
    const bool is_plain = is_integer(codes.dtype()) &&
                          (bits <= 8 || codes.dtype() == DType::kInt32) &&
                          scale->dtype() == DType::kFloat;
    const int64_t block = node.int_or("block_size", 0);
    const int64_t given = node.int_or("axis", 1);
    const int64_t axis =
        scale->count() == 1 && block == 0 ? -1 : given + (given < 0 ? codes.rank() : 0);
    const bool is_bias = codes.dtype() == DType::kInt32;
    if (keeps_numbers_ && (!is_plain || (is_bias && (!is_zero(zero_point) || block)))) return false;

    const std::string key =
        text(node.inputs[0], " ", node.input(1), " ", node.input(2), " ", axis, " ", block);
    const auto [made, is_new] = constants_.emplace(key, "");
    if (is_new) {
      const Tensor* inputs[] = {&codes, scale, zero_point};
      made->second = value_name(node.inputs[0], output);
      graph().initializers[made->second] =
          evaluate_node(node, std::span(inputs, node.inputs.size()))[0];
      QuantParams grid{scale->to_vector<float>(), {}, static_cast<int>(axis), bits, {}, {}, block};
      if (is_plain)
        record_constant(node.inputs[0], made->second, codes, std::move(grid), zero_point);
    }
    renamed_[output] = made->second;
    return true;
  }

  // params: scales, and where they stand.
  void record_constant(const std::string& stored, const std::string& name, const Tensor& codes,
                       QuantParams params, const Tensor* zero_point) {
    const int container = params.bits;
    const bool is_bias = codes.dtype() == DType::kInt32;
    const int32_t shift = is_signed_integer(codes.dtype()) ? 0 : 1 << (container - 1);
    QuantTensor tensor{codes.shape(), codes.to_vector<int32_t>(), std::move(params)};
    for (int32_t& code : tensor.codes) code -= shift;
    tensor.params.zero_points.assign(tensor.params.scales.size(), -shift);
    if (zero_point) {
      tensor.params.zero_points = zero_point->to_vector<int32_t>();
      for (int32_t& zero : tensor.params.zero_points) zero -= shift;
    }
    if (is_bias) {
      result_.sites.biases[name] = std::move(tensor);
      return;
    }
    const int told = told_bits(name);
    tensor.params.bits = told ? told : stored_width(codes);
    tensor.params.range = full_range(container, true);
    if (!told && container >= 8) result_.inferred.insert(name);
    take_told_channels(name, tensor);
    result_.stored_bits[stored] = tensor.params.mean_bits();
    result_.sites.weights[name] = std::move(tensor);
  }

  // Widths of single channels, as far as the codes keep within what the record tells.
  void take_told_channels(const std::string& name, QuantTensor& tensor) const {
    const auto found = records_.find(name);
    const QuantParams& params = tensor.params;
    if (found == records_.end() || !params.is_per_channel() ||
        found->second.channel_bits.size() != params.scales.size())
      return;
    std::vector<Width> widths;
    for (int bits : found->second.channel_bits)
      widths.push_back({bits, bits == 1 ? CodeRange{-1, 1} : full_range(bits, true)});
    bool fits = true;
    each_scale_run(tensor.shape, params, [&](size_t first, size_t count, size_t channel) {
      const CodeRange range = widths[channel].range;
      for (size_t i = first; i < first + count; ++i)
        fits = fits && tensor.codes[i] >= range.qmin && tensor.codes[i] <= range.qmax;
    });
    if (!fits || widths.empty()) return;
    const CodeRange container = params.range;
    set_channel_widths(tensor.params, std::move(widths));
    if (tensor.params.channels.empty()) tensor.params.range = container;
  }

  // What a Q that clips at zero leaves out.
  void restore_activations() {
    Graph& g = graph();
    std::vector<Node> nodes;
    for (Node& node : g.nodes) {
      const bool computes =
          is_weighted(node) || is_op(node, "Add") || is_op(node, "Sub") || is_op(node, "Mul");
      const std::string value = node.outputs.empty() ? "" : node.outputs[0];
      const auto ranges = clipping_.find(value);
      if (!computes || ranges == clipping_.end()) {
        nodes.push_back(std::move(node));
        continue;
      }
      const std::string linear = node.outputs[0] = unique(value + "_linear");
      nodes.push_back(std::move(node));
      Node activation{
          .name = value + "_activation", .op_type = "Relu", .inputs = {linear}, .outputs = {value}};
      if (std::fabs(ranges->second - 6) < 0.006) {
        activation.op_type = "Clip";
        for (float bound : {0.0f, 6.0f}) {
          activation.inputs.push_back(unique(value + "_bound"));
          g.initializers[activation.inputs.back()] = Tensor::scalar(bound);
        }
      }
      nodes.push_back(std::move(activation));
    }
    g.nodes = std::move(nodes);
  }

  void rename_outputs() {
    rename_values(graph(), [&](const std::string& name) { return substituted(output_of_, name); });
    for (const auto& [old, name] : output_of_) {
      auto site = result_.sites.activations.extract(old);
      if (site.empty()) continue;
      site.key() = name;
      result_.sites.activations.insert(std::move(site));
    }
  }

  void finish() {
    for (const std::string& twin : twins_)
      for (const auto& [name, codes] : codes_)
        if (codes.value == twin && keeps_numbers_)
          result_.sites.activations.emplace(twin, codes.params);
    for (const auto& [name, codes] : codes_) {
      const QuantParams& p = codes.params;
      if (p.scales.size() != 1 || p.zero_points[0] != p.range.qmin) continue;
      float& top = clipping_[codes.value];
      top = static_cast<float>(p.range.qmax - p.zero_points[0]) * p.scales[0];
    }
    for (const auto& [old, name] : output_of_)
      if (auto entry = clipping_.extract(old); !entry.empty()) clipping_[name] = entry.mapped();
    rename_outputs();
    restore_activations();
    Graph& g = graph();
    remove_dead_code(g);
    infer_shapes(g);
    std::set<std::string> present;
    for (const Value& value : g.inputs) present.insert(value.name);
    for (const auto& [name, tensor] : g.initializers) present.insert(name);
    for (const Node& node : g.nodes) present.insert(node.outputs.begin(), node.outputs.end());
    const auto is_gone = [&](const auto& entry) { return !present.contains(entry.first); };
    std::erase_if(result_.sites.activations, is_gone);
    std::erase_if(result_.sites.weights, is_gone);
    std::erase_if(result_.sites.biases, is_gone);
    std::erase_if(result_.kept, [&](const std::string& name) { return !present.contains(name); });
    for (auto& [name, params] : result_.sites.activations)
      if (const int told = told_bits(name)) params.bits = told;
    std::erase_if(result_.model.metadata, [](const auto& entry) {
      return entry.first == "halftone.sites" || entry.first == "halftone.target";
    });
  }

  const Graph& source_;
  const bool keeps_numbers_;
  const Links links_;
  const SiteRecords records_;
  Dequantized result_;
  std::set<std::string> taken_;
  std::set<std::string> captured_;  // read by subgraphs
  std::map<std::string, Codes> codes_;
  std::map<std::string, std::string> renamed_;    // what a DQ made -> the value in its place
  std::map<std::string, std::string> output_of_;  // value -> the graph's output that it becomes
  std::map<std::string, std::string> constants_;  // codes and parameters -> the float constant
  std::map<std::string, float> clipping_;         // value -> top of a range that begins at zero
  std::set<std::string> twins_;
};

}  // namespace

std::string to_string(Quantization quantization) {
  switch (quantization) {
    case Quantization::kFloat:
      return "float";
    case Quantization::kWeightOnly:
      return "weight-only";
    case Quantization::kPartly:
      return "partly quantized";
    case Quantization::kFully:
      return "quantized";
  }
  return "";
}

Quantization Dequantized::quantization() const {
  const bool has_weights = !sites.weights.empty();
  if (!has_weights && sites.activations.empty() && kept.empty()) return Quantization::kFloat;
  bool has_float_layer = false, has_integer_layer = false,
       has_activation = !sites.activations.empty();
  for (const Node& node : model.graph.nodes) {
    if (node.op_type == "QuantizeLinear") has_activation = true;
    if (!is_weighted(node) || node.op_type == "ConvTranspose") continue;
    const std::string& weight = node.input(1);
    if (!model.graph.constant(weight) && !kept.contains(weight)) continue;
    const bool reads_codes =
        sites.activations.contains(node.input(0)) || kept.contains(node.input(0));
    const bool has_codes = sites.weights.contains(weight) || kept.contains(weight);
    (reads_codes && has_codes ? has_integer_layer : has_float_layer) = true;
  }
  if (!has_activation) return Quantization::kWeightOnly;
  return has_float_layer ? Quantization::kPartly : Quantization::kFully;
}

std::set<std::string> Dequantized::float_sites() const {
  std::set<std::string> names = kept;
  for (const auto& [name, weight] : sites.weights)
    if (weight.params.block_size) names.insert(name);
  return names;
}

Dequantized dequantize(const Model& model) { return Dequantizer(model, true).run(); }

Model float_model(const Model& model) {
  Model result = Dequantizer(model, false).run().model;
  canonicalize(result.graph);
  return result;
}

}  // namespace halftone

#include "halftone/export/encodings.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "halftone/base/json_text.h"

namespace halftone {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const json& member(const json& entry, const char* key) {
  const auto found = entry.is_object() ? entry.find(key) : entry.end();
  if (!entry.is_object() || found == entry.end()) throw Error("'", key, "' is missing");
  return *found;
}

double number(const json& value, const char* key) {
  if (!value.is_number()) throw Error("'", key, "' is not a number: ", value.dump());
  return value.get<double>();
}

// One number, or a list of them.
std::vector<double> numbers(const json& value, const char* key) {
  std::vector<double> result;
  if (!value.is_array()) return {number(value, key)};
  for (const json& one : value) result.push_back(number(one, key));
  return result;
}

int whole(const json& value, const char* key, int least, int most) {
  const double x = number(value, key);
  if (x != std::floor(x) || x < least || x > most)
    throw Error("'", key, "' is ", value.dump(), "; ", least, " to ", most, " are allowed");
  return static_cast<int>(x);
}

void add(Encoding& encoding, double scale, double offset) {
  if (!(scale > 0) || !std::isfinite(static_cast<float>(scale)) || static_cast<float>(scale) == 0)
    throw Error("its scale is ", scale);
  if (offset != std::floor(offset) || offset > 0 || offset < -std::ldexp(1.0, encoding.bits) + 1)
    throw Error("its offset is ", offset, " for ", encoding.bits, " bits");
  encoding.scales.push_back(static_cast<float>(scale));
  encoding.offsets.push_back(static_cast<int32_t>(offset));
}

bool is_true(const json& value) { return value == true || value == "True" || value == "true"; }

// Up to 0.6.1: a list, one entry a channel.
Encoding read_list(const json& list) {
  if (!list.is_array() || list.empty()) throw Error("it is not a list of encodings");
  Encoding encoding;
  for (const json& entry : list) {
    if (entry.is_object() && entry.value("dtype", json("int")) == "float")
      return {.is_float = true, .scales = {}, .offsets = {}};
    encoding.bits = whole(member(entry, "bitwidth"), "bitwidth", 1, 32);
    encoding.is_symmetric = entry.contains("is_symmetric") && is_true(entry["is_symmetric"]);
    if (entry.contains("scale")) {
      add(encoding, number(entry["scale"], "scale"), number(member(entry, "offset"), "offset"));
      continue;
    }
    const double low = number(member(entry, "min"), "min"),
                 high = number(member(entry, "max"), "max");
    const double scale = (high - low) / (std::ldexp(1.0, encoding.bits) - 1);
    add(encoding, scale, std::nearbyint(low / scale));
  }
  return encoding;
}

// 1.0.0
Encoding read_entry(const json& entry) {
  const std::string kind = entry.value("enc_type", "PER_TENSOR");
  if (kind != "PER_TENSOR" && kind != "PER_CHANNEL")
    throw Error("encodings of kind ", kind, " are not supported; PER_TENSOR and PER_CHANNEL are");
  if (entry.value("dtype", "INT") == std::string("FLOAT"))
    return {.is_float = true, .scales = {}, .offsets = {}};
  Encoding encoding;
  encoding.bits = whole(member(entry, "bw"), "bw", 1, 32);
  encoding.is_symmetric = entry.contains("is_sym") && is_true(entry["is_sym"]);
  const auto scales = numbers(member(entry, "scale"), "scale"),
             offsets = numbers(member(entry, "offset"), "offset");
  if (scales.size() != offsets.size())
    throw Error("it has ", scales.size(), " scales and ", offsets.size(), " offsets");
  for (size_t i = 0; i < scales.size(); ++i) add(encoding, scales[i], offsets[i]);
  return encoding;
}

// 2.0.0: the arguments of a QuantizeLinear.
Encoding read_qdq(const json& entry) {
  if (entry.contains("block_size")) throw Error("blocks are not supported");
  const std::string type = member(entry, "output_dtype").get<std::string>();
  const bool is_signed = type.starts_with("int");
  if (type.starts_with("float")) return {.is_float = true, .scales = {}, .offsets = {}};
  if (!is_signed && !type.starts_with("uint")) throw Error("output_dtype ", type, " is not known");
  Encoding encoding;
  encoding.bits =
      whole(json::parse(type.substr(is_signed ? 3 : 4), nullptr, false), "output_dtype", 1, 32);
  const auto scales = numbers(member(entry, "y_scale"), "y_scale");
  const auto zeros = entry.contains("y_zero_point") && !entry["y_zero_point"].is_null()
                         ? numbers(entry["y_zero_point"], "y_zero_point")
                         : std::vector<double>(scales.size(), 0.0);
  if (scales.size() != zeros.size())
    throw Error("it has ", scales.size(), " scales and ", zeros.size(), " zero points");
  for (size_t i = 0; i < scales.size(); ++i)
    add(encoding, scales[i], -(zeros[i] + (is_signed ? std::ldexp(1.0, encoding.bits - 1) : 0)));
  encoding.is_symmetric = is_signed;
  return encoding;
}

template <typename Read>
void read_named(const json& entry, const std::string& name, Encodings& result, const Read& read) {
  try {
    if (!result.emplace(name, read(entry)).second) throw Error("it stands there twice");
  } catch (const std::exception& error) {
    throw Error("tensor '", name, "': ", error.what());
  }
}

Encodings read_all(const json& root) {
  const std::string version = member(root, "version").is_string()
                                  ? root["version"].get<std::string>()
                                  : root["version"].dump();
  Encodings result;
  if (version == "2.0.0") {
    for (const json& entry : member(root, "encodings"))
      read_named(entry, member(entry, "name").get<std::string>(), result, read_qdq);
    return result;
  }
  const bool has_lists = version == "1.0.0";
  if (!has_lists && !version.starts_with("0."))
    throw Error("version ", version, " is not known; 0.4 to 0.6.1, 1.0.0 and 2.0.0 are");
  for (const char* kind : {"activation_encodings", "param_encodings"}) {
    if (!root.contains(kind)) continue;
    for (const auto& [key, entry] : root[kind].items()) {
      if (has_lists)
        read_named(entry, member(entry, "name").get<std::string>(), result, read_entry);
      else
        read_named(entry, key, result, read_list);
    }
  }
  return result;
}

QuantTensor weight_of(const std::string& name, const Encoding& encoding, const Tensor& weight,
                      int axis) {
  const int32_t half = 1 << (encoding.bits - 1);
  QuantParams params{encoding.scales,
                     {},
                     encoding.scales.size() > 1 ? axis : -1,
                     encoding.bits,
                     full_range(encoding.bits, true)};
  for (int32_t offset : encoding.offsets)
    params.zero_points.push_back(encoding.is_symmetric ? 0 : -offset - half);
  // A symmetric encoding that begins one code higher has no lowest code.
  if (encoding.is_symmetric && encoding.offsets[0] == 1 - half) params.range.qmin = 1 - half;
  if (encoding.bits == 1) params.range = {-1, 1};
  if (params.axis >= 0 &&
      weight.shape()[static_cast<size_t>(axis)] != static_cast<int64_t>(encoding.scales.size()))
    throw Error("tensor '", name, "' ", to_string(weight.shape()), " has ", encoding.scales.size(),
                " encodings; its axis of output channels is ", axis);
  return quantize_tensor(weight, params, name);
}

}  // namespace

Encodings parse_encodings(const std::string& text, const std::string& source) {
  try {
    return read_all(parse_json(text));
  } catch (const json::exception& error) {
    throw Error("reading encodings from '", source, "': ", message_of(error));
  } catch (const Error& error) {
    throw Error("reading encodings from '", source, "': ", error.what());
  }
}

QuantizedSites fixed_sites(const Encodings& encodings, const Graph& graph) {
  std::map<std::string, int> axes;  // of weights
  std::set<std::string> values;
  for (const Value& input : graph.inputs) values.insert(input.name);
  for (const Node& node : graph.nodes) {
    values.insert(node.outputs.begin(), node.outputs.end());
    const Tensor* weight = graph.constant(node.input(1));
    if (weight && output_channel_axis(node, weight->rank()) >= 0)
      axes[node.inputs[1]] = output_channel_axis(node, weight->rank());
  }
  QuantizedSites sites;
  for (const auto& [name, encoding] : encodings) {
    const bool is_weight = axes.contains(name);
    if (encoding.is_float || (!is_weight && !values.contains(name))) continue;
    if (encoding.bits > 8)
      throw Error("tensor '", name, "' has ", encoding.bits, " bits; up to 8 are supported");
    if (is_weight) {
      sites.weights[name] = weight_of(name, encoding, graph.initializers.at(name), axes[name]);
    } else if (encoding.scales.size() == 1) {
      sites.activations[name] = {encoding.scales,
                                 {-encoding.offsets[0]},
                                 -1,
                                 encoding.bits,
                                 full_range(encoding.bits, false)};
    } else {
      throw Error("tensor '", name, "': an activation has one encoding, not ",
                  encoding.scales.size());
    }
  }
  return sites;
}

std::string to_encodings(const QuantizedSites& sites, DType activation_type,
                         const std::string& version) {
  if (version != "0.6.1" && version != "1.0.0")
    throw UsageError("encodings of version ", version, " are not written; 0.6.1 and 1.0.0 are");
  for (const auto& [name, weight] : sites.weights)
    if (weight.params.block_size)
      throw Error("writing encodings: tensor '", name, "' has groups of ", weight.params.block_size,
                  ", which are not written");
  const bool has_lists = version == "1.0.0";
  auto entries_of = [&](const QuantParams& params, bool is_signed) {
    const int32_t half = is_signed ? 1 << (params.bits - 1) : 0;
    const bool is_symmetric =
        is_signed &&
        std::ranges::all_of(params.zero_points, [](int32_t zero) { return zero == 0; });
    std::vector<int32_t> offsets;
    for (int32_t zero : params.zero_points) offsets.push_back(-zero - half);
    if (has_lists)
      return ordered_json{{"enc_type", params.scales.size() > 1 ? "PER_CHANNEL" : "PER_TENSOR"},
                          {"dtype", "INT"},
                          {"bw", params.bits},
                          {"is_sym", is_symmetric},
                          {"scale", params.scales},
                          {"offset", offsets}};
    auto list = ordered_json::array();
    for (size_t i = 0; i < offsets.size(); ++i) {
      const auto scale = static_cast<double>(params.scales[i]);
      const int bits = params.width_at(i).bits;
      const int32_t levels = (1 << bits) - 1;
      if (is_signed) offsets[i] = -params.zero_points[i] - (1 << (bits - 1));
      list.push_back({{"bitwidth", bits},
                      {"dtype", "int"},
                      {"is_symmetric", is_symmetric ? "True" : "False"},
                      {"min", offsets[i] * scale},
                      {"max", (offsets[i] + levels) * scale},
                      {"scale", params.scales[i]},
                      {"offset", offsets[i]}});
    }
    return list;
  };
  ordered_json activations = has_lists ? ordered_json::array() : ordered_json::object(),
               params = activations;
  auto put = [&](ordered_json& where, const std::string& name, ordered_json entries) {
    if (!has_lists) {
      where[name] = std::move(entries);
      return;
    }
    ordered_json named{{"name", name}};
    named.update(entries);
    where.push_back(std::move(named));
  };
  for (const auto& [name, activation] : sites.activations)
    put(activations, name, entries_of(activation, activation_type == DType::kInt8));
  for (const auto& [name, weight] : sites.weights)
    put(params, name, entries_of(weight.params, true));
  ordered_json root{
      {"version", version}, {"activation_encodings", activations}, {"param_encodings", params}};
  if (!has_lists) root["quantizer_args"] = ordered_json::object();
  return root.dump(1) + "\n";
}

}  // namespace halftone

#include "halftone/export/short_names.h"

#include <zlib.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "halftone/graph/rename.h"

namespace halftone {
namespace {

constexpr const char* kKey = "halftone.names";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint64_t kLargestText = 64'000'000;

// a, b, .., z, aa, ab, ..
std::string letters(size_t number) {
  std::string name;
  for (++number; number > 0; number = (number - 1) / 26)
    name.insert(name.begin(), static_cast<char>('a' + (number - 1) % 26));
  return name;
}

std::string to_base64(const std::vector<unsigned char>& bytes) {
  std::string result;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k)
      result += k <= count ? kBase64[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return result;
}

std::vector<unsigned char> from_base64(const std::string& text) {
  std::vector<unsigned char> result;
  uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) break;  // the filling at the end
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    result.push_back(static_cast<unsigned char>(group >> bits & 255));
  }
  return result;
}

// "SIZE:base64 of deflated text".
std::string deflated(const std::string& plain) {
  std::vector<unsigned char> bytes(compressBound(plain.size()));
  uLongf size = bytes.size();
  compress2(bytes.data(), &size, reinterpret_cast<const Bytef*>(plain.data()), plain.size(),
            Z_BEST_COMPRESSION);
  bytes.resize(size);
  return text(plain.size(), ":", to_base64(bytes));
}

std::string inflated(const std::string& stored) {
  const size_t colon = stored.find(':');
  const uint64_t size =
      colon == std::string::npos || colon > 9 ? 0 : std::strtoull(stored.c_str(), nullptr, 10);
  if (size == 0 || size > kLargestText) throw Error("the metadata ", kKey, " is damaged");
  const auto bytes = from_base64(stored.substr(colon + 1));
  std::string plain(size, '\0');
  uLongf got = size;
  const int code =
      uncompress(reinterpret_cast<Bytef*>(plain.data()), &got, bytes.data(), bytes.size());
  if (code != Z_OK || got != size) throw Error("the metadata ", kKey, " is damaged");
  return plain;
}

template <typename Rename>
void rename_all(Graph& graph, const Rename& rename) {
  rename_values(graph, rename);
  std::map<std::string, Tensor> initializers;
  for (auto& [name, tensor] : graph.initializers)
    initializers.emplace(rename(name), std::move(tensor));
  graph.initializers = std::move(initializers);
  std::map<std::string, ValueType> types;
  for (auto& [name, type] : graph.value_types) types.emplace(rename(name), std::move(type));
  graph.value_types = std::move(types);
}

}  // namespace

void shorten_names(Model& model, const std::set<std::string>& kept) {
  Graph& graph = model.graph;
  for (const Node& node : graph.nodes)
    if (!node.captures().empty()) return;
  std::set<std::string> fixed;
  for (const Value& value : graph.inputs) fixed.insert(value.name);
  for (const Value& value : graph.outputs) fixed.insert(value.name);
  // The most used names get the shortest ones; the order is that of the graph.
  std::vector<std::string> order;
  std::map<std::string, size_t> uses;
  for (const Node& node : graph.nodes)
    for (const auto* names : {&node.inputs, &node.outputs})
      for (const std::string& name : *names)
        if (!name.empty() && !fixed.contains(name) && uses[name]++ == 0) order.push_back(name);
  std::ranges::stable_sort(order,
                           [&](const auto& a, const auto& b) { return uses.at(a) > uses.at(b); });

  std::map<std::string, std::string> short_name;
  std::string record;
  size_t number = 0;
  for (const std::string& name : order) {
    while (fixed.contains(letters(number))) ++number;
    short_name[name] = letters(number++);
    if (kept.contains(name)) record += short_name[name] + " " + name + "\n";
  }
  rename_all(graph, [&](const std::string& name) { return substituted(short_name, name); });
  for (Node& node : graph.nodes) node.name.clear();
  if (!record.empty()) model.set_metadata(kKey, deflated(record));
}

void restore_names(Model& model) {
  const std::string* stored = model.find_metadata(kKey);
  if (!stored) return;
  std::map<std::string, std::string> old_name;
  std::istringstream lines(inflated(*stored));
  for (std::string line; std::getline(lines, line);)
    if (const size_t space = line.find(' '); space != std::string::npos && space > 0)
      old_name[line.substr(0, space)] = line.substr(space + 1);
  std::set<std::string> targets;
  for (const auto& [now, before] : old_name)
    if (before.empty() || model.graph.is_input(before) || model.graph.is_output(before) ||
        !targets.insert(before).second)
      throw Error("the metadata ", kKey, " is damaged: it gives '", before, "' to two values");
  // What keeps its short name must not meet a restored one.
  auto rename = [&](const std::string& name) {
    const auto found = old_name.find(name);
    if (found != old_name.end()) return found->second;
    return targets.contains(name) ? "halftone_" + name : name;
  };
  rename_all(model.graph, rename);
  std::erase_if(model.metadata, [](const auto& entry) { return entry.first == kKey; });
}

}  // namespace halftone

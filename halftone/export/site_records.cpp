#include "halftone/export/site_records.h"

#include <nlohmann/json.hpp>

namespace halftone {
namespace {

constexpr const char* kKey = "halftone.sites";

int int_or(const nlohmann::json& entry, const char* key, int fallback) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_number_integer() ? found->get<int>() : fallback;
}

bool is_width(int bits) { return bits >= 1 && bits <= 16; }

}  // namespace

SiteRecords read_site_records(const Model& model) {
  SiteRecords records;
  const std::string* text = model.find_metadata(kKey);
  const auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
  if (!json.is_object()) return records;
  for (const auto& [site, entry] : json.items()) {
    if (!entry.is_object() || !is_width(int_or(entry, "bits", 0))) continue;
    const auto kind = entry.find("kind");
    SiteRecord record{
        .kind = kind != entry.end() && kind->is_string() ? kind->get<std::string>() : "weight",
        .bits = int_or(entry, "bits", 8),
        .axis = int_or(entry, "axis", -1),
        .channel_bits = {},
        .block_size = int_or(entry, "block_size", 0)};
    if (const auto channels = entry.find("channel_bits");
        channels != entry.end() && channels->is_array())
      for (const auto& bits : *channels)
        record.channel_bits.push_back(
            bits.is_number_integer() && is_width(bits.get<int>()) ? bits.get<int>() : 16);
    records[site] = std::move(record);
  }
  return records;
}

void write_site_records(Model& model, const SiteRecords& records) {
  std::erase_if(model.metadata, [](const auto& entry) { return entry.first == kKey; });
  if (records.empty()) return;
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [site, record] : records) {
    auto& entry = json[site] = {{"kind", record.kind}, {"bits", record.bits}};
    if (record.kind == "weight") entry["axis"] = record.axis;
    if (record.block_size) entry["block_size"] = record.block_size;
    if (!record.channel_bits.empty()) entry["channel_bits"] = record.channel_bits;
  }
  model.set_metadata(kKey, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace halftone

#include "halftone/base/checkpoint.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "halftone/base/atomic_file.h"
#include "halftone/base/error.h"

namespace halftone {
namespace {

constexpr const char* kFacts = "run.json";

std::optional<std::string> content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::map<std::string, std::string> parse_facts(const std::string& text,
                                               const std::filesystem::path& path) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    throw Error("checkpoint '", path.string(),
                "' is not the record of a run: delete the folder to start anew");
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : json.items())
    facts[name] = value.is_string() ? value.get<std::string>() : value.dump();
  return facts;
}

}  // namespace

Checkpoint::Checkpoint(const Run& run, const std::map<std::string, std::string>& facts)
    : folder_(run.checkpoint) {
  if (folder_.empty()) return;
  const auto path = folder_ / kFacts;
  if (const auto text = content_of(path)) {
    if (!run.resume)
      throw Error("the checkpoint folder '", folder_.string(),
                  "' holds a run: give --resume to go on with it, or delete the folder");
    const auto before = parse_facts(*text, path);
    for (const auto& [name, value] : facts) {
      const auto found = before.find(name);
      const std::string old = found == before.end() ? "(none)" : found->second;
      if (old != value)
        throw Error("the checkpoint in '", folder_.string(), "' is of another run: its ", name,
                    " is ", old, ", now it is ", value);
    }
    return;
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    throw Error("cannot make the checkpoint folder '", folder_.string(), "': ", error.message());
  write(kFacts, nlohmann::json(facts).dump(1) + "\n");
}

std::optional<std::string> Checkpoint::read(const std::string& name) const {
  return folder_.empty() ? std::nullopt : content_of(folder_ / name);
}

void Checkpoint::write(const std::string& name, const std::string& bytes) const {
  if (folder_.empty()) return;
  AtomicFile file(folder_ / name);
  file.write(bytes);
  file.commit();
}

std::string fingerprint(std::string_view bytes) {
  uint64_t hash = 14695981039346656037ULL;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string digits(16, '0');
  for (size_t i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
  return digits;
}

}  // namespace halftone

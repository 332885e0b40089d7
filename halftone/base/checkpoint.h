// A folder in which a long job keeps what it has done, so that a kill loses little and going on
// gives the same bytes.
//
//   Checkpoint checkpoint(run, {{"model", hash}, {"method", "qdrop"}});
//   if (auto bytes = checkpoint.read("block-3")) restore(*bytes);
//   else checkpoint.write("block-3", train());
//
// Without a folder in the Run it keeps nothing and finds nothing.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "halftone/base/run.h"

namespace halftone {

class Checkpoint {
 public:
  // facts: what the job's result depends on, by name. Throws Error where the folder holds a run and
  // `run.resume` is false, or where it holds a run with other facts: the message names the first
  // that differs, with both values.
  Checkpoint(const Run& run, const std::map<std::string, std::string>& facts);

  bool is_kept() const { return !folder_.empty(); }
  const std::filesystem::path& folder() const { return folder_; }
  // What was written under `name`, in this process or before; nullopt where there is none.
  std::optional<std::string> read(const std::string& name) const;
  // Atomic: a kill leaves the old entry or the whole new one. name: a file name.
  void write(const std::string& name, const std::string& bytes) const;

 private:
  std::filesystem::path folder_;
};

// 64 bits of FNV-1a as hexadecimal digits: tells data of one run from another's, not for security.
std::string fingerprint(std::string_view bytes);

}  // namespace halftone

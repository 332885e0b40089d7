// What every verb has: a Run with its terminal, the options that mean the same everywhere, and the
// JSON of facts.
//
//   Session session(app);                      // adds --seed, --threads, --json
//   ...
//   session.facts()["top1"] = 87.8;
//   session.finish();                          // writes the JSON file
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "halftone/base/run.h"
#include "halftone/base/units.h"
#include "halftone/cli/outputs.h"

namespace halftone::cli {

// Progress as a bar on a terminal, as plain lines when piped; on stderr, so that stdout holds
// results only.
class Terminal : public Reporter {
 public:
  void progress(std::string_view what, size_t done, size_t total) override;
  void warning(std::string_view message) override;
  void info(std::string_view message) override;

 private:
  void clear_bar();
  std::string shown_;  // what the bar shows; empty: no bar
  std::chrono::steady_clock::time_point started_{};
  std::chrono::steady_clock::time_point drawn_{};
};

// A verb that works for minutes or more: it also gets --checkpoint, --resume, --time-budget and
// --memory.
struct LongJob {};

class Session {
 public:
  explicit Session(CLI::App& app);
  Session(CLI::App& app, LongJob);

  const Run& run() const { return run_; }
  nlohmann::ordered_json& facts() { return facts_; }
  double seconds() const;
  // Starts the clock and fills what all verbs tell. files: read and written beside the model and
  // --json. Throws as require_writable().
  void begin(const std::string& model, Files files = {});
  // Writes the facts where --json asked for them.
  void finish();

 private:
  Terminal terminal_;
  Run run_;
  std::string json_path_, time_budget_, memory_;
  nlohmann::ordered_json facts_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The instruction set that the kernels use on this CPU: "avx512-vnni", "avx512", "avx2" or
// "baseline".
std::string simd_level();

// A table of text: columns as wide as needed, numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace halftone::cli

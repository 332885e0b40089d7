// What quantize and train share: how sites are named, and how the result is told.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "halftone/data/preprocess.h"
#include "halftone/ptq/quantize.h"

namespace halftone::cli {

// --target, --plan, --fix, --full-range and --float-weights.
void add_site_options(CLI::App& app, QuantizeOptions& options, std::string& plan);
// Reads the plan, where there is one.
void read_plan(const std::string& path, QuantizeOptions& options);

void fill_facts(const QuantizeReport& report, nlohmann::ordered_json& facts);

struct FileSizes {
  uint64_t before = 0, after = 0;  // bytes of the model's file and of the one that was written
};
// Gives the model its preprocessing and version and writes it, within the budget of the plan where
// there is one; tells both sizes in `facts`.
FileSizes write_result(Model& model, const QuantizeOptions& options,
                       const std::optional<Preprocess>& preprocess, const std::string& source,
                       const std::string& output, nlohmann::ordered_json& facts);

void print_report(const QuantizeReport& report, const Profile& target, const FileSizes& sizes,
                  double seconds);

}  // namespace halftone::cli

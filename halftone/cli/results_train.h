// What quantize and train share: how sites are named, and how the result is told.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "halftone/ptq/quantize.h"

namespace halftone::cli {

// --target, --plan, --fix, --full-range and --float-weights.
void add_site_options(CLI::App& app, QuantizeOptions& options, std::string& plan);
// Reads the plan, where there is one.
void read_plan(const std::string& path, QuantizeOptions& options);

// A folder that cannot take the result is told before the work, not after it. The model itself is
// never overwritten.
void require_writable(const std::string& output, const std::string& model);

uint64_t file_bytes(const std::string& path);

void fill_facts(const QuantizeReport& report, nlohmann::ordered_json& facts);
void print_report(const QuantizeReport& report, uint64_t before, uint64_t after, double seconds);

}  // namespace halftone::cli

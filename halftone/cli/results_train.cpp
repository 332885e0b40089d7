#include "halftone/cli/results_train.h"

#include <algorithm>
#include <iostream>

#include "halftone/allocate/written_budget.h"
#include "halftone/base/units.h"
#include "halftone/cli/culprits_train.h"
#include "halftone/cli/float_operators.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/outputs.h"
#include "halftone/cli/session.h"
#include "halftone/onnx/writer.h"

namespace halftone::cli {
namespace {

// What was learned, unit by unit, and which of it did not come to an end.
void print_units(const QuantizeReport& report) {
  if (report.units.empty()) return;
  constexpr double kConverged = 0.99;
  Table table({"learned", "loss before", "after", "converged"});
  size_t open = 0;
  for (const UnitReport& unit : report.units) {
    table.add({unit.name, scientific(unit.loss_before), scientific(unit.loss_after),
               fixed(100 * unit.converged_share, 1) + " %",
               unit.is_improved ? "" : "no better: kept as it was"});
    open += unit.converged_share < kConverged;
  }
  std::cout << table.text();
  if (open)
    std::cout << open << " of " << report.units.size()
              << " units have less than 99 % of their rounding at 0 or 1: more --iterations or a "
              << "higher --rounding-weight may gain more\n";
}

}  // namespace

void add_site_options(CLI::App& app, QuantizeOptions& options, std::string& plan) {
  app.add_option("--target", options.target, listed<Profile>("What the file is for:"))
      ->capture_default_str();
  app.add_option("--plan", plan,
                 "JSON with bits for single sites: {\"sites\": {\"conv1.weight\": 4, \"x_skip\": "
                 "{\"bits\": 6}}}")
      ->type_name("FILE");
  app.add_option("--fix", options.fixes,
                 "SITE=BITS or SITE=float for single sites, named as inspect --sites has them; * "
                 "and ? match; repeatable")
      ->type_name("SITE=BITS");
  app.add_flag("--full-range", options.full_range,
               "8-bit weights within [-127, 127] instead of [-64, 64]");
  app.add_flag(
      "--shared-skips", options.shares_skips,
      "Below 8 bits, let a residual Add read what the layer beside it reads; by default it "
      "reads the same value in 8 bits (site NAME_skip), through slices, pads and pools by maximum "
      "as well");
  app.add_flag("--float-weights", options.float_weights,
               "Keep the weights of operators that stay in float as float32");
}

void read_plan(const std::string& path, QuantizeOptions& options) {
  if (path.empty()) return;
  options.plan_text = read_text(path);
  options.plan_source = path;
  options.plan = parse_plan(options.plan_text, path);
}

FileSizes write_result(Model& model, const QuantizeOptions& options,
                       const std::optional<Preprocess>& preprocess, const std::string& source,
                       const std::string& output, nlohmann::ordered_json& facts) {
  if (preprocess) model.set_metadata(kPreprocessKey, preprocess->to_json());
  model.set_metadata("halftone.version", HALFTONE_VERSION);
  if (options.plan)
    require_within_budget(model, options.plan->budget,
                          text("the plan '", options.plan_source, "'"));
  const uint64_t before = file_bytes(source);
  const FileSizes sizes{before, write_model(model, output)};
  facts["bytes_before"] = sizes.before;
  facts["bytes_after"] = sizes.after;
  return sizes;
}

void fill_facts(const QuantizeReport& report, nlohmann::ordered_json& facts) {
  if (report.top1_before) facts["top1_before"] = *report.top1_before;
  if (report.top1_after) facts["top1_after"] = *report.top1_after;
  if (report.top1_after) facts["top1_drop_error"] = report.drop_error;
  facts["sqnr_db"] = report.sqnr_db;
  facts["method"] = report.method;
  facts["calibration_samples"] = report.calibration_samples;
  facts["compared_samples"] = report.compared_samples;
  auto& sites = facts["sites"] = nlohmann::ordered_json::array();
  for (const SiteReport& site : report.sites) {
    sites.push_back({{"site", site.site},
                     {"kind", to_string(site.kind)},
                     {"bits", site.bits},
                     {"sqnr_db", site.sqnr_db}});
    if (!site.channel_bits.empty()) sites.back()["channel_bits"] = site.channel_bits;
  }
  if (!report.units.empty()) {
    auto& units = facts["units"] = nlohmann::ordered_json::array();
    for (const UnitReport& unit : report.units)
      units.push_back({{"unit", unit.name},
                       {"loss_before", unit.loss_before},
                       {"loss_after", unit.loss_after},
                       {"converged", unit.converged_share},
                       {"improved", unit.is_improved}});
  }
  if (!report.rungs.empty()) {
    auto& rungs = facts["rungs"] = nlohmann::ordered_json::array();
    for (const RungReport& rung : report.rungs) {
      rungs.push_back({{"method", rung.method}, {"sqnr_db", rung.sqnr_db}, {"met", rung.is_met}});
      if (rung.top1_after) rungs.back()["top1_after"] = *rung.top1_after;
    }
  }
  if (!report.culprits.empty()) facts["culprits"] = culprits_json(report.culprits);
  fill_float_operators(report.float_operators, facts);
}

void print_report(const QuantizeReport& report, const Profile& target, const FileSizes& sizes,
                  double seconds) {
  Table table({"", "before", "after", ""});
  table.add(
      {"size", format_bytes(sizes.before), format_bytes(sizes.after),
       text("x", fixed(static_cast<double>(sizes.after) / static_cast<double>(sizes.before), 2))});
  if (report.top1_before)
    table.add({"top-1 %", fixed(*report.top1_before, 2), fixed(*report.top1_after, 2),
               text("on ", report.compared_samples,
                    report.is_validated ? " validation samples" : " samples of --data",
                    report.drop_error > 0
                        ? text("; the drop is uncertain by ", fixed(report.drop_error, 2))
                        : ", each as right or wrong as before")});
  table.add({"SQNR dB", "", fixed(report.sqnr_db, 1),
             text("of the output, on ", report.compared_samples, " samples")});
  std::cout << table.text();

  std::vector<const SiteReport*> worst;
  for (const SiteReport& site : report.sites)
    if (site.kind == SiteKind::kActivation) worst.push_back(&site);
  std::ranges::stable_sort(worst, {}, &SiteReport::sqnr_db);
  worst.resize(std::min<size_t>(worst.size(), 3));
  Table layers({"lost most", "bits", "SQNR dB"});
  for (const SiteReport* site : worst)
    layers.add({site->site, std::to_string(site->bits), fixed(site->sqnr_db, 1)});
  std::cout << layers.text();
  print_units(report);
  if (!report.culprits.empty()) print_culprits(report.culprits);
  print_float_operators(report.float_operators, "stays in float");
  const bool has_narrow_weights = std::ranges::any_of(report.sites, [](const SiteReport& site) {
    return site.kind == SiteKind::kWeight && site.bits < 8;
  });
  const bool is_weight_only = worst.empty();
  if (has_narrow_weights && !is_weight_only && !target.is_packed)
    std::cout << "weights of fewer than 8 bits lie in int8, as " << target.name
              << " computes; --target compact or `halftone pack` stores them in their bits\n";
  std::cout << "took " << format_seconds(seconds) << "\n";
}

}  // namespace halftone::cli

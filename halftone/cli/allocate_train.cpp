#include <algorithm>
#include <cmath>
#include <iostream>
#include <sstream>

#include "halftone/allocate/allocate.h"
#include "halftone/base/units.h"
#include "halftone/cli/budget_options.h"
#include "halftone/cli/culprits_train.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/outputs.h"
#include "halftone/cli/verb.h"
#include "halftone/onnx/reader.h"
#include "halftone/report/tradeoff.h"

namespace halftone::cli {
namespace {

struct Options {
  std::string model, output, sweep, picture, sensitivities, save_sensitivities;
  std::string centring = "unbiased", utility, granularity = "layer";
  AllocateOptions allocate;
};

struct Sweep {
  double first = 2, last = 8, step = 0.25;
};

Sweep parse_sweep(const std::string& value) {
  Sweep sweep;
  char colon = 0, other = 0;
  std::istringstream in(value);
  const bool is_read =
      static_cast<bool>(in >> sweep.first >> colon >> sweep.last >> other >> sweep.step) &&
      in.peek() == EOF;
  if (!is_read || colon != ':' || other != ':' || !(sweep.first > 0) || !(sweep.step >= 0.01) ||
      sweep.last < sweep.first || sweep.last > 8)
    throw UsageError("--sweep ", value,
                     ": write it as FIRST:LAST:STEP in average bits, like 2:8:0.25");
  return sweep;
}

void require_widths(const std::vector<int>& widths, const std::string& option, int least) {
  for (int width : widths)
    if (width < least || width > 8) throw UsageError(option, " ", width, ": ", least, " to 8 bits");
}

void prepare_widths(std::vector<int>& widths, const std::string& option, int least) {
  require_widths(widths, option, least);
  widths = sorted_widths(widths);
}

// A single width is no choice.
void require_choice(const AllocateOptions& a, bool is_sweep) {
  const bool decides_activations = a.budget.average_activation_bits.has_value();
  const auto &weights = a.choices.widths, &activations = a.choices.activation_widths;
  const bool decides_weights =
      a.budget.average_weight_bits || a.budget.weight_bytes || is_sweep || !decides_activations;
  if (weights.size() == 1 && decides_weights)
    throw UsageError("--bits ", weights[0],
                     ": one width leaves nothing to decide; give two or more");
  if (activations.size() == 1 && decides_activations)
    throw UsageError("--activation-bits ", activations[0],
                     ": one width leaves nothing to decide; give two or more, or --activations ",
                     activations[0], " and no average");
}

void settle(Options& options) {
  AllocateOptions& a = options.allocate;
  prepare_widths(a.choices.widths, "--bits", 1);
  prepare_widths(a.choices.activation_widths, "--activation-bits", 2);
  if (a.budget.is_empty() && options.sweep.empty())
    throw UsageError(
        "give a budget: --weight-size, --average-bits, --average-activation-bits, --bops, or "
        "several; or --sweep");
  if (options.sweep.empty() == options.output.empty())
    throw UsageError(options.output.empty() ? "-o is required: the plan to write"
                                            : "--sweep writes no plan: leave -o out");
  if (!options.picture.empty() && options.sweep.empty())
    throw UsageError("--picture draws the curve of --sweep: give it too");
  if (options.granularity == "block") a.choices.granularity = Granularity::kBlock;
  if (options.granularity == "channels") a.choices.granularity = Granularity::kChannels;
  if (a.budget.average_activation_bits && a.choices.activation_widths.empty())
    a.choices.activation_widths = {2, 3, 4, 5, 6, 7, 8};
  if (!a.budget.average_activation_bits && !a.choices.activation_widths.empty())
    throw UsageError(
        "--activation-bits are widths to choose from: give --average-activation-bits too, or "
        "--activations for one width");
  require_choice(a, !options.sweep.empty());
  a.how.centring = options.centring == "biased" ? Centring::kBiased : Centring::kUnbiased;
  if (!options.utility.empty())
    a.how.utility = options.utility == "linear" ? Utility::kLinear : Utility::kNoise;
  if (!options.sensitivities.empty()) {
    a.sensitivities = read_text(options.sensitivities);
    a.sensitivities_source = options.sensitivities;
  }
}

nlohmann::ordered_json use_json(const BudgetUse& use) {
  return {{"average_weight_bits", use.average_weight_bits},
          {"average_weight_bits_with_fixed", use.all_average_weight_bits},
          {"average_activation_bits", use.average_activation_bits},
          {"weight_bytes", use.weight_bytes},
          {"bops", use.bops}};
}

struct BudgetLine {
  std::string name;
  double limit, used;
};

std::vector<BudgetLine> budget_lines(const Budget& budget, const BudgetUse& use) {
  std::vector<BudgetLine> lines;
  if (budget.weight_bytes)
    lines.push_back({"weight_bytes", static_cast<double>(*budget.weight_bytes),
                     static_cast<double>(use.weight_bytes)});
  if (budget.average_weight_bits)
    lines.push_back({"average_weight_bits", *budget.average_weight_bits, use.average_weight_bits});
  if (budget.average_activation_bits)
    lines.push_back(
        {"average_activation_bits", *budget.average_activation_bits, use.average_activation_bits});
  if (budget.bops)
    lines.push_back({"bops", static_cast<double>(*budget.bops), static_cast<double>(use.bops)});
  return lines;
}

double sensitivity_at(const Allocated& found, const AllocationSite& site) {
  const auto sensitivity = found.sensitivities.find(site.weight.empty() ? site.name : site.weight);
  return sensitivity == found.sensitivities.end() ? 0 : sensitivity->second.sensitivity;
}

void fill_facts(const Allocated& found, const AllocateOptions& options,
                nlohmann::ordered_json& facts) {
  facts["method"] = options.method;
  facts["solver"] = found.solver;
  facts["solve_seconds"] = found.solve_seconds;
  facts["loss"] = found.loss;
  facts["bound"] = found.bound;
  facts.update(use_json(found.use));
  auto& budgets = facts["budgets"] = nlohmann::ordered_json::array();
  for (const auto& [name, limit, used] : budget_lines(options.budget, found.use))
    budgets.push_back({{"name", name}, {"limit", limit}, {"used", used}});
  auto& sites = facts["sites"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < found.bits.size(); ++i) {
    const AllocationSite& site = found.sites.sites[i];
    sites.push_back({{"site", site.name},
                     {"kind", to_string(site.kind)},
                     {"bits", found.bits[i]},
                     {"sensitivity", sensitivity_at(found, site)},
                     {"fixed", site.is_fixed()},
                     {"elements", site.elements},
                     {"macs", site.macs}});
    if (site.kind == SiteKind::kWeight) sites.back()["bytes"] = site.bytes_at(found.bits[i]);
  }
}

void print_sites(const Allocated& found, const AllocateOptions& options) {
  Table table({"site", "bits", "", "size", "MACs", "sensitivity"});
  for (size_t i = 0; i < found.bits.size(); ++i) {
    const AllocationSite& site = found.sites.sites[i];
    const bool is_weight = site.kind == SiteKind::kWeight;
    if (!is_weight && !options.budget.average_activation_bits) continue;
    table.add({site.name, std::to_string(found.bits[i]),
               std::string(static_cast<size_t>(found.bits[i]), '#'),
               is_weight ? format_bytes(static_cast<uint64_t>(site.bytes_at(found.bits[i]))) : "",
               format_count(site.macs),
               site.is_fixed() ? "fixed" : scientific(sensitivity_at(found, site))});
  }
  std::cout << table.text();
}

void print_use(const Allocated& found, const AllocateOptions& options) {
  Table table({"budget", "limit", "used", "slack %"});
  for (const auto& [name, limit, used] : budget_lines(options.budget, found.use)) {
    const bool is_average = name.starts_with("average");
    auto shown = [&](double value) { return is_average ? fixed(value, 4) : fixed(value, 0); };
    table.add({name, shown(limit), shown(used), fixed(100 * (limit - used) / limit, 2)});
  }
  std::cout << table.text();
  std::cout << "weights " << format_bytes(static_cast<uint64_t>(found.use.weight_bytes))
            << ", on average " << fixed(found.use.average_weight_bits, 3) << " bits ("
            << fixed(found.use.all_average_weight_bits, 3) << " with the fixed ones), "
            << format_count(static_cast<uint64_t>(found.use.bops)) << " BOPs\n";
  std::cout << found.solver << ": predicted loss " << scientific(found.loss) << ", proven bound "
            << scientific(found.bound) << ", solved in " << format_seconds(found.solve_seconds)
            << "\n";
}

void run_sweep(const AllocationTask& task, const Sensitivities& sensitivities, const Sweep& sweep,
               Options options, Session& session) {
  Tradeoff drawing{
      .title = options.model + ": " + options.allocate.method, .sites = {}, .points = {}};
  Table table({"average bits", "weights", "BOPs", "predicted loss"});
  auto& curve = session.facts()["sweep"] = nlohmann::ordered_json::array();
  const int steps = static_cast<int>(std::floor((sweep.last - sweep.first) / sweep.step + 1e-9));
  for (int step = 0; step <= steps; ++step) {
    options.allocate.budget.average_weight_bits = sweep.first + step * sweep.step;
    const Allocated found = solve(task, sensitivities, options.allocate);
    curve.push_back(use_json(found.use));
    curve.back()["limit"] = *options.allocate.budget.average_weight_bits;
    curve.back()["loss"] = found.loss;
    drawing.points.push_back({*options.allocate.budget.average_weight_bits,
                              static_cast<double>(found.use.weight_bytes),
                              found.loss,
                              {}});
    const bool is_first = step == 0;
    auto& bits = curve.back()["bits"] = nlohmann::ordered_json::object();
    for (size_t i = 0; i < found.bits.size(); ++i)
      if (found.sites.sites[i].kind == SiteKind::kWeight) {
        bits[found.sites.sites[i].name] = found.bits[i];
        drawing.points.back().bits.push_back(found.bits[i]);
        if (is_first) drawing.sites.push_back(found.sites.sites[i].name);
      }
    table.add({fixed(*options.allocate.budget.average_weight_bits, 2),
               format_bytes(static_cast<uint64_t>(found.use.weight_bytes)),
               format_count(static_cast<uint64_t>(found.use.bops)), scientific(found.loss)});
  }
  std::cout << table.text();
  if (!options.picture.empty()) write_text(options.picture, tradeoff_html(drawing));
}

void run_allocate(Options options, const BudgetOptions& budgets, const DataOptions& data_options,
                  Session& session) {
  session.begin(options.model,
                {.read = data_options.files({options.sensitivities}),
                 .written = {options.output, options.picture, options.save_sensitivities}});
  const auto& method = Registry<AllocationMethod>::get(options.allocate.method);
  if (!options.allocate.solver.empty()) Registry<Solver>::get(options.allocate.solver);
  options.allocate.budget = budgets.budget();
  settle(options);
  options.allocate.skip_broken = data_options.skips_broken();
  const Model model = read_model(options.model);
  const AllocationTask task = allocation_task(model, options.allocate.target,
                                              options.allocate.choices, session.run().threads);
  std::optional<Sweep> sweep;
  if (!options.sweep.empty()) sweep = parse_sweep(options.sweep);
  Budget tightest = options.allocate.budget;
  if (sweep) tightest.average_weight_bits = sweep->first;
  require_feasible(task.sites, tightest);  // before minutes of measuring
  const bool measures = method.needs_data && !options.allocate.sensitivities;
  const auto data = measures ? data_options.open(model, session.run()) : nullptr;
  const Sensitivities sensitivities =
      sensitivities_of(task, data.get(), options.allocate, session.run());
  if (!options.save_sensitivities.empty())
    write_text(options.save_sensitivities, to_json(sensitivities, method.name));
  if (sweep) {
    run_sweep(task, sensitivities, *sweep, options, session);
  } else {
    const Allocated found = solve(task, sensitivities, options.allocate);
    write_text(options.output, to_json(found.plan));
    fill_facts(found, options.allocate, session.facts());
    std::cout << options.output << " (" << method.name << ")\n";
    print_sites(found, options.allocate);
    print_use(found, options.allocate);
  }
  session.finish();
}

std::function<void()> allocate_verb(CLI::App& app) {
  auto options = std::make_shared<Options>();
  AllocateOptions& a = options->allocate;
  add_model_option(app, options->model);
  app.add_option("-o,--output", options->output, "The plan, JSON, that quantize and train take")
      ->type_name("OUT");
  auto data = std::make_shared<DataOptions>(app, 256);
  auto budgets = std::make_shared<BudgetOptions>(app, "Budgets, one or more");
  app.add_option("--sweep", options->sweep,
                 "The whole curve over average weight bits, and no plan: FIRST:LAST:STEP")
      ->type_name("2:8:0.25");
  app.add_option("--picture", options->picture, "Draw the curve of --sweep and the bits along it")
      ->type_name("FILE.html");
  app.add_option("--method", a.method,
                 listed<AllocationMethod>("What widths are predicted to cost:"))
      ->capture_default_str();
  app.add_option("--solver", a.solver, listed<Solver>("Instead of the method's:"));
  app.add_option("--bits", a.choices.widths, "Widths of weights to choose from")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--activation-bits", a.choices.activation_widths,
                 "Widths of activations to choose from; default all, 2 to 8")
      ->delimiter(',');
  app.add_option("--activations", a.choices.activations,
                 "Bits of activations where they are not chosen")
      ->capture_default_str();
  app.add_option("--fix", a.choices.fixes,
                 "SITE=BITS or SITE=float for single sites; * and ? match; repeatable")
      ->type_name("SITE=BITS");
  app.add_option(
         "--granularity", options->granularity,
         "What has bits of its own: each layer, each block of layers, or each of up to four "
         "groups of a layer's output channels")
      ->check(CLI::IsMember({"layer", "block", "channels"}))
      ->capture_default_str();
  app.add_option("--tie", a.choices.ties,
                 "Sites that share their bits; * and ? match; repeatable, each a group")
      ->type_name("SITES");
  app.add_option("--target", a.target, "Runtime that the quantized file is for")
      ->capture_default_str();
  app.add_option("--sensitivities", options->sensitivities,
                 "Take what --save-sensitivities wrote, and measure nothing")
      ->type_name("FILE");
  app.add_option("--save-sensitivities", options->save_sensitivities, "Write what was measured")
      ->type_name("FILE");
  const std::string ompq = "OMPQ";
  app.add_option("--beta", a.how.beta,
                 "How sharply importance falls with a layer's similarity to the others")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->group(ompq);
  app.add_option("--orthogonality", options->centring, "unbiased, or biased as in the paper")
      ->check(CLI::IsMember({"unbiased", "biased"}))
      ->capture_default_str()
      ->group(ompq);
  app.add_option("--utility", options->utility,
                 "linear (the paper's) or noise (4^-bits); default noise where less than 4 bits "
                 "may be taken")
      ->check(CLI::IsMember({"linear", "noise"}))
      ->group(ompq);
  auto session = std::make_shared<Session>(app);
  set_example(app,
              "halftone allocate resnet20.onnx -o plan.json --data cifar10/train --preprocess "
              "cifar10 --method ompq --weight-size 100kB");
  return [=] { run_allocate(*options, *budgets, *data, *session); };
}

HALFTONE_REGISTER(Verb, "allocate", "Finds bits for every layer under hard budgets, in seconds",
                  allocate_verb);

}  // namespace
}  // namespace halftone::cli

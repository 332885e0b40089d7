#include "halftone/qat/train.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>

#include "halftone/allocate/qbitopt.h"
#include "halftone/allocate/written_budget.h"
#include "halftone/base/units.h"
#include "halftone/cli/budget_options.h"
#include "halftone/cli/inputs.h"
#include "halftone/cli/results_train.h"
#include "halftone/cli/verb.h"
#include "halftone/onnx/reader.h"
#include "halftone/qat/optimizer.h"
#include "halftone/qat/schedule.h"
#include "halftone/report/bits_history.h"

namespace halftone::cli {
namespace {

// Bits that are decided while training.
struct Allocating {
  std::string method, picture;
  std::vector<int> widths = {2, 3, 4, 5, 6, 7, 8};
  QBitOptOptions qbitopt;
};

struct Options {
  std::string model, output, plan, validation, augment, lowering, start;
  TrainOptions train;
  Allocating allocating;
};

std::vector<int> parse_bits(const std::string& list) {
  std::vector<int> bits;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) {
    const bool is_number = !word.empty() && word.find_first_not_of("0123456789") == word.npos;
    if (!is_number || word.size() > 2 || std::stoi(word) < 2 || std::stoi(word) > 8)
      throw UsageError("--lower-bits ", list, ": bits from 2 to 8 joined by commas, as 4,3");
    bits.push_back(std::stoi(word));
  }
  return bits;
}

QuantizerRanges parse_start(const std::string& word) {
  if (word == "lsq") return QuantizerRanges::kMeanMagnitude;
  return word == "minmax" ? QuantizerRanges::kMinMax : QuantizerRanges::kLeastError;
}

// The budget that the written file must keep; empty where bits are not decided.
Budget allocate_while_training(const Allocating& how, Budget budget, const Model& model,
                               TrainOptions& options, const Run& run) {
  if (!how.picture.empty() && how.qbitopt.history.empty())
    throw UsageError("--bits-picture draws what --bits-history keeps: give it too");
  if (how.method.empty() && !how.qbitopt.history.empty())
    throw UsageError("--bits-history is of --allocate qbitopt: give it too");
  if (how.method.empty()) {
    if (!budget.is_empty())
      throw UsageError("a budget is for --allocate qbitopt; plans come from halftone allocate");
    return budget;
  }
  if (budget.is_empty())
    throw UsageError("--allocate ", how.method,
                     ": give a budget: --average-bits, --average-activation-bits, --weight-size, "
                     "--bops");
  QuantizeOptions& q = options.network.quantize;
  if (!options.lowering.empty() || q.plan)
    throw UsageError("--allocate and ", q.plan ? "--plan" : "--lower-bits",
                     " both decide bits: leave one out");
  if (q.weights == 32 || q.activations == 32)
    throw UsageError("--allocate needs quantized sites: leave out --weights 32, --activations 32");
  if (options.oscillation.is_on())
    throw UsageError(
        "--dampen and --freeze-oscillating follow codes of one width, which --allocate changes: "
        "leave one out");
  const std::vector<int> widths = sorted_widths(how.widths);
  if (widths.size() < 2)
    throw UsageError("--bits ", widths[0],
                     ": one width leaves nothing to decide; give two or more");
  AllocationChoices choices{.widths = widths, .activations = q.activations, .fixes = q.fixes};
  if (budget.average_activation_bits) choices.activation_widths = widths;
  // Nothing limits weights: they keep the bits that are asked for.
  if (!budget.average_weight_bits && !budget.weight_bytes && !budget.bops)
    choices.widths = {q.weights};
  const AllocationTask task = allocation_task(model, q.target, choices);
  budget.outside_average = outside_average(task.sites);
  // Layers begin with less than 8 bits, so that residual Adds have skips of 8 beside them.
  const bool decides_activations =
      std::ranges::any_of(task.sites.sites, [](const AllocationSite& site) {
        return site.kind == SiteKind::kActivation && !site.is_fixed();
      });
  if (decides_activations)
    q.activations = static_cast<int>(std::clamp(*budget.average_activation_bits, 2.0, 7.0));
  options.hooks.push_back(qbitopt_hook(task.sites, budget, how.qbitopt, run));
  options.hooks_described =
      text("qbitopt ", budget.average_weight_bits.value_or(0), " ",
           budget.average_activation_bits.value_or(0), " ", budget.weight_bytes.value_or(0), " ",
           budget.bops.value_or(0), " ", how.qbitopt.interval, " ", how.qbitopt.warm_up, " ",
           how.qbitopt.frozen, " widths");
  for (int width : widths) options.hooks_described += text(" ", width);
  return budget;
}

void fill_training(const TrainResult& result, nlohmann::ordered_json& facts) {
  facts["quantizer"] = result.quantizer;
  facts["guide"] = result.guide;
  facts["best_epoch"] = result.best_epoch;
  auto& epochs = facts["epochs"] = nlohmann::ordered_json::array();
  for (const EpochReport& epoch : result.epochs) {
    epochs.push_back({{"epoch", epoch.epoch},
                      {"loss", epoch.loss},
                      {"images_per_second", epoch.images_per_second},
                      {"learning_rate", epoch.learning_rate}});
    if (epoch.train_top1) epochs.back()["train_top1"] = *epoch.train_top1;
    if (!epoch.mixed_top1.empty()) epochs.back()["mixed_top1"] = epoch.mixed_top1;
    if (epoch.validation_top1) epochs.back()["validation_top1"] = *epoch.validation_top1;
  }
}

void print_training(const TrainResult& result) {
  Table table({"epoch", "loss", "top-1 % of batches", "of validation", "images/s"});
  auto percent = [](const std::optional<double>& value) { return value ? fixed(*value, 2) : ""; };
  for (const EpochReport& epoch : result.epochs)
    table.add({std::to_string(epoch.epoch), fixed(epoch.loss, 4), percent(epoch.train_top1),
               percent(epoch.validation_top1), fixed(epoch.images_per_second, 0)});
  std::cout << table.text() << "the weights are those of epoch " << result.best_epoch << "\n";
}

// Nothing where the time was up before the first bits were told.
void draw_history(const Options& options) {
  const std::string& history = options.allocating.qbitopt.history;
  if (options.allocating.picture.empty() || !std::filesystem::exists(history)) return;
  write_text(options.allocating.picture,
             bits_history_html(options.model + ": " + options.allocating.method, read_text(history),
                               history));
}

void run_train(Options options, const BudgetOptions& budgets, const DataOptions& data_options,
               Session& session) {
  session.begin(options.model,
                {.read = data_options.files({options.plan, options.validation}),
                 .written = {options.output, options.train.metrics,
                             options.allocating.qbitopt.history, options.allocating.picture}});
  TrainOptions& train_options = options.train;
  QuantizeOptions& quantize = train_options.network.quantize;
  train_options.lowering = parse_bits(options.lowering);
  if (!options.start.empty()) train_options.network.start = parse_start(options.start);
  if (!options.augment.empty()) train_options.augmentation = parse_augmentation(options.augment);
  const Model model = read_model(options.model);
  read_plan(options.plan, quantize);
  const auto data = data_options.open(model, session.run());
  quantize.skip_broken = data_options.skips_broken();
  const auto validation = options.validation.empty()
                              ? nullptr
                              : data_options.open_all(options.validation, model, session.run());
  train_options.validation = validation.get();
  const Budget budget = allocate_while_training(options.allocating, budgets.budget(), model,
                                                train_options, session.run());
  TrainResult result = train(model, *data, train_options, session.run());
  require_within_budget(result.model, budget, "--allocate qbitopt");
  auto& facts = session.facts();
  const FileSizes sizes = write_result(result.model, quantize, data_options.preprocess(model),
                                       options.model, options.output, facts);
  fill_facts(result.report, facts);
  fill_training(result, facts);
  draw_history(options);
  std::cout << options.output << " (" << result.quantizer << ", guide " << result.guide << ", "
            << quantize.target << ", trained on " << data->size() << " samples)\n";
  print_training(result);
  print_report(result.report, Registry<Profile>::get(quantize.target), sizes, session.seconds());
  session.finish();
}

void add_optimizer_options(CLI::App& app, TrainOptions& t) {
  const std::string group = "Optimization (left out: what suits the quantizer)";
  app.add_option("--epochs", t.epochs, "Passes over the data")->capture_default_str();
  app.add_option("--batch", t.batch, "Samples a step")->capture_default_str();
  app.add_option("--optimizer", t.optimizer, "sgd (Nesterov), adam, adamw")->group(group);
  app.add_option("--learning-rate", t.learning_rate,
                 "0.01 for sgd, 0.003 where no BatchNormalization is trained, 0.001 for the others")
      ->group(group);
  app.add_option("--momentum", t.momentum, "Of sgd")->capture_default_str()->group(group);
  app.add_option("--weight-decay", t.weight_decay,
                 "Of weights alone; default 0.0001, 0.00003 at 2 bits and less")
      ->group(group);
  app.add_option("--schedule", t.schedule, listed<Schedule>("Of the learning rate:"))
      ->group(group)
      ->type_name("NAME");
  app.add_option("--warmup", t.warmup, "Share of the steps in which the rate rises from 0")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(group);
  app.add_option("--clip-gradients", t.clip_gradients, "Most norm of all gradients; 0: not clipped")
      ->capture_default_str()
      ->group(group);
  app.add_option("--ema", t.ema, "Average the weights: what stays at each step, as 0.999; 0: off")
      ->capture_default_str()
      ->group(group);
  app.add_option("--label-smoothing", t.label_smoothing, "Share of the other classes")
      ->capture_default_str()
      ->group(group);
}

void add_guide_options(CLI::App& app, TrainOptions& t) {
  const std::string group = "Guides";
  GuideOptions& g = t.guiding;
  app.add_option("--guide", t.guide, listed<GuideKind>("What the float network adds:"))
      ->type_name("NAME");
  app.add_option("--label-weight", t.label_weight, "Of the labels' cross-entropy")
      ->capture_default_str()
      ->group(group);
  app.add_option("--distill-weight", g.distillation_weight, "Of the float network's probabilities")
      ->capture_default_str()
      ->group(group);
  app.add_option("--temperature", g.temperature, "Of both softmaxes")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  app.add_option("--feature-weight", g.feature_weight, "Guide features: of the features")
      ->capture_default_str()
      ->group(group);
  app.add_option("--blocks", g.blocks,
                 "Where networks are cut: stage (where the size falls) or residual (every block)")
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix", g.mix,
                 "Block replacement: prefix (quantized up to a cut), single (one part), suffix")
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix-weight", g.mixed_weight, "Of all mixed networks together")
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix-label-weight", g.mixed_label_weight, "Of their cross-entropy")
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix-teacher-weight", g.mixed_teacher_weight,
                 "Of distilling them into the quantized network")
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix-samples", g.mix_samples, "Mixed networks drawn a step; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
  app.add_option("--mix-every", g.mix_every, "Steps between steps with mixed networks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  app.add_flag("--mix-fade", g.fades, "Their weight falls to 0 over the last quarter")
      ->group(group);
}

void add_quantizer_options(CLI::App& app, TrainOptions& t, std::string& lowering,
                           std::string& start) {
  const std::string group = "Quantizers";
  app.add_option("--quantizer", t.network.quantizer,
                 listed<QuantizerKind>("What stands at the sites:"))
      ->capture_default_str()
      ->type_name("NAME");
  app.add_option("--lower-bits", lowering,
                 "Train with more bits first, as 4,3: equal parts of the training, then the sites' "
                 "own bits")
      ->type_name("BITS,...")
      ->group(group);
  app.add_flag("--per-tensor", t.network.per_tensor,
               "One scale for a weight instead of one for each output channel")
      ->group(group);
  app.add_flag_callback(
         "--no-rescale", [&t] { t.network.rescales_depthwise = false; },
         "fat --per-tensor: leave depthwise filters of uneven ranges as they are")
      ->group(group);
  app.add_flag("--pointwise", t.network.trains_elements,
               "fat: also a factor from 0.75 to 1.25 for every weight")
      ->group(group);
  app.add_flag(
         "--symmetric", t.network.is_symmetric,
         "fat: activations on both sides of 0 keep equal halves, with one factor instead of two")
      ->group(group);
  app.add_option("--start", start,
                 "First scales: mse (least squared error), lsq (2 mean|x| / sqrt(qmax), as in its "
                 "paper), minmax; left out: what suits the quantizer")
      ->check(CLI::IsMember({"mse", "lsq", "minmax"}))
      ->group(group);
  app.add_option("--batch-norm", t.batch_norm,
                 "keep: train with it and fold it at the end; fold: fold it at first")
      ->type_name("keep|fold")
      ->group(group);
  app.add_option("--freeze-batch-norm", t.frozen_batch_norm,
                 "Share of the steps, at the end, with running statistics")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(group);
  app.add_option("--reestimate", t.reestimation_batches,
                 "Batches from which statistics are taken anew after training; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(group);
  app.add_option("--dampen", t.oscillation.dampening,
                 "Pull weights to their codes, so strongly at the end (0.1)")
      ->capture_default_str()
      ->group(group);
  app.add_option("--freeze-oscillating", t.oscillation.freezing,
                 "Freeze weights that flip more often than this at the end (0.01)")
      ->capture_default_str()
      ->group(group);
}

std::shared_ptr<BudgetOptions> add_allocation_options(CLI::App& app, Allocating& a) {
  const std::string group = "Bits that are decided while training";
  app.add_option("--allocate", a.method,
                 "qbitopt: decides the bits of all sites again and again by what their rounding "
                 "costs, within the budget at every step")
      ->check(CLI::IsMember({"qbitopt"}))
      ->group(group);
  auto budgets = std::make_shared<BudgetOptions>(app, group);
  app.add_option("--bits", a.widths, "Widths to choose from")
      ->delimiter(',')
      ->check(CLI::Range(2, 8))
      ->capture_default_str()
      ->group(group);
  app.add_option("--decide-every", a.qbitopt.interval,
                 "Steps between decisions; a tenth of the training where that is less")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  app.add_option("--bits-history", a.qbitopt.history,
                 "A JSON line for the first bits and for each decision")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--bits-picture", a.picture, "Draw --bits-history: every site's bits over time")
      ->type_name("FILE.html")
      ->group(group);
  return budgets;
}

std::function<void()> train_verb(CLI::App& app) {
  auto options = std::make_shared<Options>();
  TrainOptions& t = options->train;
  QuantizeOptions& q = t.network.quantize;
  add_model_option(app, options->model);
  app.add_option("-o,--output", options->output, "The trained and quantized model")
      ->required()
      ->type_name("OUT");
  auto data = std::make_shared<DataOptions>(app, std::nullopt);
  app.add_option("--weights", q.weights,
                 "Bits of weights, 1 to 8, or 32: trained in float. Below 8 the first and the last "
                 "layer keep 8; --fix overrules")
      ->capture_default_str();
  app.add_option("--activations", q.activations, "Bits of activations, 2 to 8, or 32 for float")
      ->capture_default_str();
  add_quantizer_options(app, t, options->lowering, options->start);
  add_guide_options(app, t);
  const auto budgets = add_allocation_options(app, options->allocating);
  add_optimizer_options(app, t);
  app.add_option("--augment", options->augment,
                 "crop, flip, resized-crop, mixup joined by commas, or none; default: crop,flip "
                 "where labels are learned or weights are trained, else none")
      ->type_name("WORDS");
  app.add_option("--validate", options->validation,
                 "Labelled data by which the best epoch is kept and the figures are taken")
      ->type_name("PATH");
  app.add_option("--metrics", t.metrics, "Loss, accuracy, rate as they come: .csv, else JSON lines")
      ->type_name("FILE");
  add_site_options(app, q, options->plan);
  app.add_flag("--requantize", q.requantize,
               "Dequantize a model that is quantized already, then train it");
  auto session = std::make_shared<Session>(app, LongJob{});
  app.get_option("--threads")
      ->description(
          "Threads of every step; sums in another order give another result, so a resume "
          "needs as many");
  set_example(
      app,
      "halftone train resnet20.onnx -o resnet20-w2a2.onnx --data cifar10/train --preprocess "
      "cifar10 --weights 2 --activations 2 --guide distill --epochs 10 --checkpoint kept");
  return [=] { run_train(*options, *budgets, *data, *session); };
}

HALFTONE_REGISTER(Verb, "train",
                  "Trains a model with quantization in the loop, for 4 bits and below", train_verb);

}  // namespace
}  // namespace halftone::cli

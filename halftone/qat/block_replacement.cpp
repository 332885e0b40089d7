#include "halftone/qat/block_replacement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "halftone/qat/losses.h"

namespace halftone {

BlockReplacement::BlockReplacement(const GuideContext& context)
    : network_(context.network),
      options_(context.options),
      run_(context.run),
      parts_(cut_into_parts(context.float_graph, context.options.blocks)) {
  const auto& mix = options_.mix;
  if (mix != "prefix" && mix != "single" && mix != "suffix")
    throw UsageError("mix '", mix, "': it is prefix, single or suffix");
}

std::set<std::string> BlockReplacement::captures() const {
  const auto cuts = cuts_of(parts_);
  return {cuts.begin(), cuts.end()};
}

std::vector<size_t> BlockReplacement::chosen(const GuideStep& step) const {
  if (step.step % static_cast<uint64_t>(std::max(1, options_.mix_every)) != 0) return {};
  std::vector<size_t> all;
  for (size_t k = 1; k < parts_.size(); ++k) all.push_back(k);
  const auto wanted = static_cast<size_t>(options_.mix_samples);
  if (wanted == 0 || wanted >= all.size()) return all;
  std::vector<size_t> drawn;
  for (size_t i : run_.rng(text("mix/", step.step)).sample(all.size(), wanted))
    drawn.push_back(all[i]);
  return drawn;
}

// Of each drawn network, so that what is left out is made up for.
double BlockReplacement::weight_of(const GuideStep& step) const {
  const auto networks = static_cast<double>(parts_.size() - 1);
  const double drawn =
      options_.mix_samples ? std::min<double>(options_.mix_samples, networks) : networks;
  const double fading = options_.fades ? std::min(1.0, 4 * (1 - step.progress)) : 1.0;
  return fading * std::max(1, options_.mix_every) / drawn;
}

// What each mixed network hands to the float part that follows its last quantized one, by the
// number of that cut.
std::map<size_t, at::Tensor> BlockReplacement::entering(
    const GuideStep& step, const std::vector<size_t>& chosen,
    const std::vector<at::Tensor>& features) const {
  std::map<size_t, at::Tensor> values;
  for (size_t k : chosen) {
    if (options_.mix == "prefix") {
      values[k] = step.outputs.at(parts_[k - 1].output);
      continue;
    }
    const Part& part = parts_[k - 1];
    const at::Tensor& before = k == 1 ? step.inputs.begin()->second : features[k - 2];
    values[k] = network_.run_part(part.network, {{part.input, before}}, step.batch_statistics)
                    .at(part.output);
  }
  return values;
}

// Float suffixes of all branches together: at every cut what enters there joins the pile, so that
// each float part runs once.
std::map<size_t, at::Tensor> BlockReplacement::through_suffixes(
    const std::map<size_t, at::Tensor>& entering) const {
  std::vector<size_t> alive;
  at::Tensor pile;
  for (size_t k = entering.begin()->first; k < parts_.size(); ++k) {
    if (const auto found = entering.find(k); found != entering.end()) {
      pile = pile.defined() ? at::cat({pile, found->second}) : found->second;
      alive.push_back(k);
    }
    pile = parts_[k].network.run({{parts_[k].input, pile}}).at(parts_[k].output);
  }
  std::map<size_t, at::Tensor> logits;
  const auto each = pile.chunk(static_cast<int64_t>(alive.size()));
  for (size_t i = 0; i < alive.size(); ++i) logits[alive[i]] = each[i];
  return logits;
}

std::map<size_t, at::Tensor> BlockReplacement::mixed_logits(
    const GuideStep& step, const std::vector<size_t>& chosen) const {
  const at::Tensor& input = step.inputs.begin()->second;
  std::map<size_t, at::Tensor> logits;
  const auto features = features_of(parts_, input);
  if (options_.mix == "suffix") {
    for (size_t k : chosen) {
      at::Tensor value = features[k - 1];
      for (size_t j = k; j < parts_.size(); ++j)
        value =
            network_.run_part(parts_[j].network, {{parts_[j].input, value}}, step.batch_statistics)
                .at(parts_[j].output);
      logits[k] = value;
    }
  } else if (!chosen.empty()) {
    logits = through_suffixes(entering(step, chosen, features));
  }
  logits[0] = features.back();
  return logits;
}

at::Tensor BlockReplacement::loss(const GuideStep& step) {
  const auto drawn = options_.mixed_weight == 0 && options_.mixed_teacher_weight == 0
                         ? std::vector<size_t>()
                         : chosen(step);
  const auto logits = mixed_logits(step, drawn);
  const at::Tensor& teacher = logits.at(0);
  at::Tensor loss =
      distillation_loss(teacher, step.logits, options_.temperature) * options_.distillation_weight;
  for (size_t k : drawn) {
    const at::Tensor& mixed = logits.at(k);
    if (step.labels.own.defined() && mixed.dim() == 2) {
      hits_[k].right += (mixed.argmax(1) == step.labels.own).sum().item<double>();
      hits_[k].samples += static_cast<double>(mixed.size(0));
    }
    at::Tensor part = distillation_loss(teacher, mixed, options_.temperature);
    if (options_.mixed_label_weight > 0 && step.labels.own.defined())
      part = part + label_loss(mixed, step.labels) * options_.mixed_label_weight;
    loss = loss + part * (options_.mixed_weight * weight_of(step));
    if (options_.mixed_teacher_weight > 0)
      loss = loss + distillation_loss(mixed, step.logits, options_.temperature) *
                        (options_.mixed_teacher_weight * weight_of(step));
  }
  return loss;
}

std::vector<double> BlockReplacement::take_top1() {
  std::vector<double> top1;
  for (const auto& [k, hits] : std::exchange(hits_, {}))
    top1.push_back(100 * hits.right / hits.samples);
  return top1;
}

TensorMap BlockReplacement::state() const {
  TensorMap state;
  for (const auto& [k, hits] : hits_)
    state[std::to_string(k)] = at::tensor({hits.right, hits.samples}, at::kDouble);
  return state;
}

void BlockReplacement::restore(const TensorMap& state) {
  hits_.clear();
  for (const auto& [k, hits] : state)
    hits_[std::stoul(k)] = {hits[0].item<double>(), hits[1].item<double>()};
}

namespace {

HALFTONE_REGISTER(GuideKind, "block-replacement",
                  "Quantized parts learn inside the float network too",
                  "Yu et al. 2024, arXiv 2412.15846", true,
                  [](const GuideContext& context) -> std::unique_ptr<Guide> {
                    return std::make_unique<BlockReplacement>(context);
                  });

}  // namespace
}  // namespace halftone

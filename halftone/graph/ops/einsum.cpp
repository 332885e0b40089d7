// Einsum: sums of products of elements whose indices an equation names, with "..." for broadcast
// dimensions.
#include <algorithm>
#include <map>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"
#include "halftone/graph/ops/strided.h"

namespace halftone {
namespace {

// One label a dimension: a letter, or for "..." the negative position counted from its end.
using Labels = std::vector<int>;

struct Equation {
  std::vector<std::string> terms;
  std::optional<std::string> output;  // none: the letters that stand once, in alphabetical order
};

Equation parsed(std::string written) {
  std::erase(written, ' ');
  Equation result;
  if (const size_t arrow = written.find("->"); arrow != std::string::npos) {
    result.output = written.substr(arrow + 2);
    written.resize(arrow);
  }
  for (size_t start = 0; start <= written.size();) {
    const size_t comma = std::min(written.find(',', start), written.size());
    result.terms.push_back(written.substr(start, comma - start));
    start = comma + 1;
  }
  return result;
}

// Labels of a term for a tensor of `rank` dimensions; "..." takes those that the letters leave.
Labels labels_of(const std::string& term, size_t rank) {
  const size_t dots = term.find("...");
  const size_t letters = term.size() - (dots == std::string::npos ? 0 : 3);
  if (letters > rank || (dots == std::string::npos && letters != rank))
    throw Error("the term '", term, "' does not fit a tensor of ", rank, " dimensions");
  Labels result;
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (size_t k = rank - letters; k > 0; --k) result.push_back(-static_cast<int>(k));
      i += 2;
    } else if ((term[i] >= 'a' && term[i] <= 'z') || (term[i] >= 'A' && term[i] <= 'Z')) {
      result.push_back(term[i]);
    } else {
      throw Error("the equation has the character '", term[i], "'");
    }
  }
  return result;
}

struct Plan {
  std::vector<Labels> inputs;
  Labels output;
  std::map<int, Dim> sizes;
};

Labels output_labels(const Equation& equation, const Plan& plan) {
  size_t broadcast_rank = 0;
  std::map<int, int> uses;
  for (const Labels& labels : plan.inputs)
    for (int label : labels) ++uses[label];
  for (const auto& [label, count] : uses) broadcast_rank += label < 0;
  if (equation.output) {
    const bool has_dots = equation.output->find("...") != std::string::npos;
    const size_t letters = equation.output->size() - (has_dots ? 3 : 0);
    return labels_of(*equation.output, letters + (has_dots ? broadcast_rank : 0));
  }
  Labels result;
  for (const auto& [label, count] : uses)
    if (label < 0 || count == 1) result.push_back(label);
  return result;
}

// nullopt where a rank is not known.
std::optional<Plan> plan_of(const Node& node, const std::vector<MaybeShape>& shapes) {
  const Equation equation = parsed(node.string_or("equation", ""));
  if (equation.terms.size() != shapes.size())
    throw Error("the equation has ", equation.terms.size(), " terms for ", shapes.size(),
                " inputs");
  Plan plan;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (!shapes[i]) return std::nullopt;
    plan.inputs.push_back(labels_of(equation.terms[i], shapes[i]->size()));
    for (size_t k = 0; k < shapes[i]->size(); ++k) {
      const Dim& dim = (*shapes[i])[k];
      const auto [at, is_new] = plan.sizes.emplace(plan.inputs[i][k], dim);
      if (!is_new) at->second = broadcast(at->second, dim);
    }
  }
  plan.output = output_labels(equation, plan);
  for (int label : plan.output)
    if (!plan.sizes.contains(label))
      throw Error("the output's index '", static_cast<char>(label), "' is in no term");
  return plan;
}

void infer(InferenceContext& context) {
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < context.input_count(); ++i) shapes.push_back(context.input(i).shape);
  MaybeShape shape;
  if (const auto plan = plan_of(context.node(), shapes)) {
    shape.emplace();
    for (int label : plan->output) shape->push_back(plan->sizes.at(label));
  }
  context.set_output(0, context.input(0).dtype, shape);
}

// Strides by which a tensor follows the indices `order`.
std::vector<int64_t> strides_along(const Labels& order, const Labels& labels, const Shape& shape) {
  const std::vector<int64_t> own = strides_of(shape);
  std::vector<int64_t> result(order.size(), 0);
  for (size_t i = 0; i < order.size(); ++i)
    for (size_t k = 0; k < labels.size(); ++k)
      if (labels[k] == order[i] && shape[k] != 1)
        result[i] += own[k];  // a letter twice: the diagonal
  return result;
}

Tensors einsum(const KernelInputs& in) {
  const TensorType type = output_type(in, infer);
  std::vector<MaybeShape> shapes;
  for (size_t i = 0; i < in.size(); ++i) shapes.emplace_back(symbolic(in[i].shape()));
  const Plan plan = *plan_of(in.node, shapes);
  Labels order = plan.output;  // then the indices that are summed over
  for (const auto& [label, size] : plan.sizes)
    if (std::ranges::find(plan.output, label) == plan.output.end()) order.push_back(label);
  Shape extent;
  for (int label : order) extent.push_back(plan.sizes.at(label).value);
  const int64_t total = element_count(extent);
  if (total > kMostElements) throw Error("the sum has ", total, " terms, more than 2^31");
  return {in_domain_of(type.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> terms(static_cast<size_t>(total), T{1});
    for (size_t i = 0; i < in.size(); ++i) {
      const std::vector<T> values = in[i].to_vector<T>();
      const auto at = strided_indices(extent, strides_along(order, plan.inputs[i], in[i].shape()));
      for (size_t k = 0; k < terms.size(); ++k)
        terms[k] = wrapping_mul(terms[k], values[static_cast<size_t>(at[k])]);
    }
    std::vector<T> sums(static_cast<size_t>(element_count(type.shape)), T{0});
    const size_t run = sums.empty() ? 1 : std::max<size_t>(1, terms.size() / sums.size());
    for (size_t k = 0; k < terms.size(); ++k) sums[k / run] = wrapping_add(sums[k / run], terms[k]);
    return stored(type.dtype, type.shape, sums);
  })};
}

HALFTONE_REGISTER(GraphOp, "Einsum", infer, einsum);

}  // namespace
}  // namespace halftone

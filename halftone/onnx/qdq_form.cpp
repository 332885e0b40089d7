#include "halftone/onnx/qdq_form.h"

#include <map>
#include <set>
#include <utility>

#include "halftone/graph/passes/passes.h"
#include "halftone/onnx/qdq_rewriter.h"
#include "halftone/onnx/raise_opset.h"

namespace halftone {
namespace {

const QuantizedForm* form_of(const Node& node) {
  return Registry<QuantizedForm>::find(node.domain.empty() ? node.op_type
                                                           : node.domain + "." + node.op_type);
}

// What only an optimiser writes cannot be brought back.
void require_exchange_file(const Graph& graph) {
  std::set<std::string> found;
  for (const Node& node : graph.nodes)
    if (node.domain == "com.microsoft" && !form_of(node)) found.insert(node.op_type);
  if (found.empty()) return;
  std::string names;
  for (const std::string& name : found) names += (names.empty() ? "" : ", ") + name;
  throw Error("the model holds operators of com.microsoft (", names,
              "): an optimiser's output, not an exchange file; give the model that was optimised");
}

void forget_unused_domains(Model& model) {
  std::set<std::string> used{""};
  for (const Node& node : model.graph.nodes) used.insert(node.domain);
  std::erase_if(model.opsets, [&](const auto& entry) { return !used.contains(entry.first); });
}

}  // namespace

Model qdq_form(const Model& source) {
  require_exchange_file(source.graph);
  bool has_any = false;
  for (const Node& node : source.graph.nodes) has_any = has_any || form_of(node);
  if (!has_any) return source;

  Model model = source;
  QdqRewriter rewriter(source.graph);
  for (size_t i = 0; i < source.graph.nodes.size(); ++i) {
    const Node& node = source.graph.nodes[i];
    if (rewriter.is_dropped(static_cast<int>(i))) continue;
    if (const QuantizedForm* form = form_of(node))
      form->rewrite(rewriter, node);
    else
      rewriter.add(node);
  }
  model.graph = rewriter.finish();
  remove_dead_code(model.graph);
  sort_topologically(model.graph);
  forget_unused_domains(model);
  raise_opset(model, rewriter.opset());
  return model;
}

}  // namespace halftone

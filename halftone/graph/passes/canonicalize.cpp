#include "halftone/graph/passes/canonicalize.h"

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {
namespace {

void rewrite(Graph& graph) {
  remove_identities(graph);
  fold_constants(graph);
  remove_identities(graph);
  merge_slices(graph);
  absorb_padding(graph);
  use_global_pooling(graph);
  use_activations(graph);
}

void finish(Graph& graph) {
  remove_dead_code(graph);
  infer_shapes(graph);
}

}  // namespace

void canonicalize_keeping_batch_norm(Graph& graph) {
  rewrite(graph);
  finish(graph);
}

void canonicalize(Graph& graph) {
  rewrite(graph);
  fold_batch_norm(graph);
  finish(graph);
}

}  // namespace halftone

#include "halftone/graph/passes/canonicalize.h"

#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {

void canonicalize_keeping_batch_norm(Graph& graph) {
  remove_identities(graph);
  fold_constants(graph);
  remove_identities(graph);
  absorb_padding(graph);
  use_global_pooling(graph);
  use_activations(graph);
  remove_dead_code(graph);
  infer_shapes(graph);
}

void canonicalize(Graph& graph) {
  canonicalize_keeping_batch_norm(graph);
  fold_batch_norm(graph);
  infer_shapes(graph);
}

}  // namespace halftone

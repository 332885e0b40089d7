#include "halftone/graph/infer_shapes.h"
#include "halftone/graph/passes/passes.h"

namespace halftone {

void canonicalize(Graph& graph) {
  remove_identities(graph);
  fold_constants(graph);
  remove_identities(graph);
  absorb_padding(graph);
  use_global_pooling(graph);
  use_activations(graph);
  fold_batch_norm(graph);
  remove_dead_code(graph);
  infer_shapes(graph);
}

}  // namespace halftone

// Rewrites of a graph that leave the function it computes unchanged (up to float rounding where
// said).
//
//   canonicalize(model.graph);    // all of them, in the order that works
//
// Each works in place on sorted nodes and leaves them sorted. Names of weights and of the values
// that stay are kept; a node that takes over another one's work makes the value under the other
// one's name.
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// Computes nodes whose inputs are all constant, and integer values that follow from known
// dimensions (Shape arithmetic). A DequantizeLinear of a constant stays: its codes are what a
// quantized model is. Results above 64 MB stay nodes.
void fold_constants(Graph& graph);

// Computes the DequantizeLinear of constants: a quantized network that is only run needs its
// weights' values, once and for all.
void dequantize_constants(Graph& graph);

// Removes Identity, Dropout (whose mask nobody reads) and Pad by nothing.
void remove_identities(Graph& graph);

// Multiplies BatchNormalization into the Conv, ConvTranspose or Gemm before it: W' = W *
// g/sqrt(v+eps), b' = (b-mu) * g/sqrt(v+eps) + beta, in double. Only where nobody else reads what
// stands between. Keeps beta and |g| as the value's statistics.
void fold_batch_norm(Graph& graph);

// Moves a Pad by zeros over spatial axes into the pads of the convolutions that read it.
void absorb_padding(Graph& graph);

// Slices by constants along different axes, one after another, become one, as exporters write
// x[:, :, ::2, ::2].
void merge_slices(Graph& graph);

// ReduceMean over all spatial axes becomes GlobalAveragePool, which runtimes quantize (with a
// Flatten where keepdims is 0).
void use_global_pooling(Graph& graph);

// Max with a constant 0 becomes Relu, Min of a Max, with constants, Clip: what else looks for
// activations knows these.
void use_activations(Graph& graph);

// Drops nodes and initializers that no output depends on.
void remove_dead_code(Graph& graph);

// What quantization starts from. Fills value_types.
void canonicalize(Graph& graph);

}  // namespace halftone

// Where codes begin and end: between plain row-major tensors and the runtime's layout.
#pragma once

#include "halftone/runtime/load_context.h"

namespace halftone::runtime {

// Plain float32 `input` becomes codes.
std::unique_ptr<Layer> make_quantize_layer(int input, int output, const Value& codes);

// Codes become plain float32 by `type`.
std::unique_ptr<Layer> make_dequantize_layer(const CodedInput& input, int output,
                                             const Value& codes);

// Plain integers of at most 8 bits become codes, and back.
std::unique_ptr<Layer> make_import_layer(int input, int output, const Value& codes);
std::unique_ptr<Layer> make_export_layer(int input, int output, const Value& codes);

}  // namespace halftone::runtime

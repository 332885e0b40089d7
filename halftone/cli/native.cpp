#include "halftone/cli/native.h"

namespace halftone::cli {

std::shared_ptr<const runtime::Program> load_native(const Model& model,
                                                    const runtime::LoadOptions& options,
                                                    const Run& run) {
  auto program = std::make_shared<runtime::Program>(runtime::load_program(model, options));
  for (const auto& layer : program->layers)
    if (layer->is_float)
      run.warning(text(layer->op, " '", layer->name,
                       "' computes in float by plain loops: ", layer->reason));
  return program;
}

}  // namespace halftone::cli

#include "halftone/cli/native.h"

namespace halftone::cli {

std::shared_ptr<const runtime::Program> load_native(const Model& model,
                                                    const runtime::LoadOptions& options,
                                                    const Run& run) {
  auto program = std::make_shared<runtime::Program>(runtime::load_program(model, options));
  runtime::name_float_layers(*program, run);
  return program;
}

}  // namespace halftone::cli

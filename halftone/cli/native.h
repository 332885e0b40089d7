// What `run` and `bench` share: a model loaded for the native runtime.
#pragma once

#include <string>

#include "halftone/base/run.h"
#include "halftone/graph/graph.h"
#include "halftone/runtime/session.h"

namespace halftone::cli {

// Loads the model; layers that compute in float are named through `run`.
std::shared_ptr<const runtime::Program> load_native(const Model& model,
                                                    const runtime::LoadOptions& options,
                                                    const Run& run);

}  // namespace halftone::cli

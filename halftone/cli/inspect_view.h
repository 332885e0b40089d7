// A part of `inspect` that a build without LibTorch does not have: its own options, shown after the
// rest.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "halftone/base/registry.h"
#include "halftone/cli/session.h"
#include "halftone/graph/graph.h"

namespace halftone::cli {

struct InspectView {
  static constexpr const char* kKind = "view";
  std::string name;
  std::string summary;
  // Adds options to `app` and returns what shows the model as it was read, for a target, where the
  // options ask for it.
  std::function<void(const Model&, const std::string& target, Session&)> (*setup)(CLI::App& app);
};

}  // namespace halftone::cli

// A verb of the command line: one file each, registered at its end.
//
//   std::function<void()> inspect(CLI::App& app) {
//     app.add_option(...);
//     return [...] { ... };
//   }
//   HALFTONE_REGISTER(Verb, "inspect", "Shows what a model holds", inspect);
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "halftone/base/registry.h"

namespace halftone::cli {

struct Verb {
  static constexpr const char* kKind = "verb";
  std::string name;
  std::string summary;
  // Adds the verb's options to `app` and returns what runs it once they are parsed.
  std::function<void()> (*setup)(CLI::App& app);
};

}  // namespace halftone::cli

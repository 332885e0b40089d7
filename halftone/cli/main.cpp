#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>

#include "halftone/base/run.h"
#include "halftone/base/utf8.h"
#include "halftone/cli/verb.h"

namespace halftone::cli {
namespace {

constexpr int kGood = 0, kFailed = 1, kBadUsage = 2;

int run(int argc, char** argv) {
  CLI::App app{"Turns a trained ONNX network into a smaller, faster one that keeps its accuracy.",
               "halftone"};
  app.set_version_flag("--version", HALFTONE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_config("--config", "", "Read options from a TOML file, one section a verb");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.footer("halftone VERB --help tells more of a verb. Documentation: docs/ in the source tree.");

  std::function<void()> chosen;
  for (const auto& [name, verb] : Registry<Verb>::all()) {
    CLI::App* command = app.add_subcommand(name, verb.summary);
    command->configurable();
    command->callback([&chosen, work = verb.setup(*command)] { chosen = work; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::cerr << "halftone: " << error.what() << '\n';
    return kBadUsage;
  }
  chosen();
  return kGood;
}

}  // namespace
}  // namespace halftone::cli

int main(int argc, char** argv) {
  // Activations of a few megabytes come and go with every layer: keep their pages instead of
  // mapping new ones each time (half of the time of a quantization of EfficientNet-lite0 was spent
  // in the kernel otherwise).
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::signal(SIGINT, [](int) { halftone::request_cancel(); });
  std::signal(SIGTERM, [](int) { halftone::request_cancel(); });
  try {
    return halftone::cli::run(argc, argv);
  } catch (const halftone::UsageError& error) {
    std::cerr << "halftone: " << halftone::printable(error.what()) << '\n';
    return halftone::cli::kBadUsage;
  } catch (const std::exception& error) {
    std::cerr << "halftone: " << halftone::printable(error.what()) << '\n';
    return halftone::cli::kFailed;
  }
}

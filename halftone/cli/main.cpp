#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "halftone/base/nearest.h"
#include "halftone/base/run.h"
#include "halftone/base/utf8.h"
#include "halftone/cli/verb.h"

namespace halftone::cli {
namespace {

constexpr int kGood = 0, kFailed = 1, kBadUsage = 2;

// A recipe may have sections of several verbs: only that of the verb that is called counts, where
// CLI11 would call them all.
class Recipe : public CLI::ConfigBase {
 public:
  explicit Recipe(std::string verb) : verb_(std::move(verb)) {}
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    auto found = ConfigBase::from_config(input);
    std::erase_if(found, [&](const CLI::ConfigItem& item) {
      return !item.parents.empty() && item.parents[0] != verb_ &&
             Registry<Verb>::find(item.parents[0]) != nullptr;
    });
    return found;
  }

 private:
  std::string verb_;
};

std::string called_verb(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (Registry<Verb>::find(argv[i]) && std::string(argv[i - 1]) != "--config") return argv[i];
  return "";
}

// What a mistyped verb or option most likely meant; "" where that is not the fault.
std::string hint(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> verbs;
  for (const auto& [name, verb] : Registry<Verb>::all()) verbs.push_back(name);
  const std::string called = called_verb(argc, argv);
  if (called.empty())
    return argc < 2 || argv[1][0] == '-'
               ? "; halftone --help lists the verbs"
               : text("; there is no verb '", argv[1], "'", did_you_mean(argv[1], verbs));
  std::vector<std::string> options;
  for (const CLI::App* level :
       std::initializer_list<const CLI::App*>{&app, app.get_subcommand(called)})
    for (const CLI::Option* option : level->get_options())
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  for (int i = 1; i < argc; ++i) {
    const std::string given = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (given.starts_with("--") && std::ranges::find(options, given) == options.end())
      return did_you_mean(given, options);
  }
  return "";
}

int run(int argc, char** argv) {
  CLI::App app{"Turns a trained ONNX network into a smaller, faster one that keeps its accuracy.",
               "halftone"};
  app.set_version_flag("--version", HALFTONE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_config("--config", "", "Read options from a TOML file, one section a verb");
  app.config_formatter(std::make_shared<Recipe>(called_verb(argc, argv)));
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
    std::cerr << "halftone: " << error.what() << hint(app, argc, argv) << '\n';
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
  int status = halftone::cli::kFailed;
  try {
    status = halftone::cli::run(argc, argv);
  } catch (const halftone::UsageError& error) {
    std::cerr << "halftone: " << halftone::printable(error.what()) << '\n';
    status = halftone::cli::kBadUsage;
  } catch (const std::exception& error) {
    std::cerr << "halftone: " << halftone::printable(error.what()) << '\n';
  }
  if (!std::cout.flush() && status == halftone::cli::kGood) {
    std::cerr << "halftone: standard output cannot be written\n";
    status = halftone::cli::kFailed;
  }
#ifdef __SANITIZE_ADDRESS__
  return status;  // leaks are looked for on the way out
#else
  // Without the destructors of static objects: LibTorch takes a tenth of a second to forget its
  // operators one by one.
  std::fflush(nullptr);
  std::_Exit(status);
#endif
}

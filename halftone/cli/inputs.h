// Options of verbs that read data: where it lies and how it is fed.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "halftone/base/registry.h"
#include "halftone/cli/session.h"
#include "halftone/data/dataset.h"
#include "halftone/data/open_dataset.h"
#include "halftone/data/preprocess.h"
#include "halftone/graph/graph.h"

namespace halftone::cli {

class DataOptions {
 public:
  // `default_limit`: samples where --limit is not given; nullopt: all.
  DataOptions(CLI::App& app, std::optional<size_t> default_limit);

  // The preprocessing: --preprocess, else what the model carries, else none.
  std::optional<Preprocess> preprocess(const Model& model) const;
  // Opens --data. Throws Error naming the path, UsageError where it was not given. Warns where
  // class folders are numbered by their order and are not as many as the network has outputs.
  std::shared_ptr<const Dataset> open(const Model& model, const Run& run) const;
  // Opens all of another folder, file or archive, to be fed likewise.
  std::shared_ptr<const Dataset> open_all(const std::string& path, const Model& model,
                                          const Run& run) const;
  // What these options read, and `others`, which the verb reads besides.
  std::vector<std::string> files(std::vector<std::string> others) const;
  bool skips_broken() const { return skip_broken_; }

 private:
  DatasetOptions how_to_feed(const Model& model) const;
  std::shared_ptr<const Dataset> open_with(const DatasetOptions& options, const std::string& path,
                                           const Model& model, const Run& run) const;
  std::string data_, classes_, preprocess_;
  std::optional<size_t> limit_;
  bool skip_broken_ = false;
};

// All of a file. Throws Error naming it where it cannot be opened.
std::string read_text(const std::string& path);

// `title` and a line for every registered entry: what an option's help lists.
template <typename Entry>
std::string listed(const std::string& title) {
  std::string help = title;
  for (const auto& [name, entry] : Registry<Entry>::all())
    help += "\n" + name + ": " + entry.summary;
  return help;
}

// Adds the positional MODEL.
void add_model_option(CLI::App& app, std::string& model);

// Sets what a verb's help ends with: an example that runs.
void set_example(CLI::App& app, const std::string& text);

}  // namespace halftone::cli

#include "halftone/cli/outputs.h"

#include <filesystem>
#include <set>
#include <system_error>

#include "halftone/base/atomic_file.h"
#include "halftone/base/error.h"

namespace halftone::cli {

namespace {

namespace fs = std::filesystem;

void require_writable(const std::string& output, const std::vector<std::string>& read) {
  std::error_code none;
  for (const std::string& path : read)
    if (fs::equivalent(output, path, none))
      throw UsageError("the output '", output,
                       "' is what is read: give another name, so that nothing is lost");
  if (fs::is_directory(output, none))
    throw UsageError("the output '", output, "' is a folder: give a file's name");
  const auto folder = fs::absolute(output).parent_path();
  if (!fs::is_directory(folder, none))
    throw Error("cannot write '", output, "': the folder '", folder.string(), "' does not exist");
}

}  // namespace

void require_writable(const Files& files) {
  std::set<fs::path> written;
  for (const std::string& output : files.written) {
    if (output.empty()) continue;
    require_writable(output, files.read);
    if (!written.insert(fs::absolute(output).lexically_normal()).second)
      throw UsageError("'", output, "' is named for two results: give each a name of its own");
  }
}

void write_text(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

uint64_t file_bytes(const std::string& path) { return std::filesystem::file_size(path); }

}  // namespace halftone::cli

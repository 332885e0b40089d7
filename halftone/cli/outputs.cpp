#include "halftone/cli/outputs.h"

#include <filesystem>
#include <system_error>

#include "halftone/base/atomic_file.h"
#include "halftone/base/error.h"

namespace halftone::cli {

void require_writable(const std::string& output, const std::vector<std::string>& sources) {
  namespace fs = std::filesystem;
  if (output.empty()) return;
  std::error_code none;
  for (const std::string& source : sources)
    if (fs::equivalent(output, source, none))
      throw UsageError("the output '", output,
                       "' is what is read: give another name, so that nothing is lost");
  if (fs::is_directory(output, none))
    throw UsageError("the output '", output, "' is a folder: give a file's name");
  const auto folder = fs::absolute(output).parent_path();
  if (!fs::is_directory(folder, none))
    throw Error("cannot write '", output, "': the folder '", folder.string(), "' does not exist");
}

void write_text(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

uint64_t file_bytes(const std::string& path) { return std::filesystem::file_size(path); }

}  // namespace halftone::cli

#include "halftone/data/open_dataset.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/base/rng.h"
#include "halftone/data/array_dataset.h"
#include "halftone/data/byte_images.h"
#include "halftone/data/file_bytes.h"
#include "halftone/data/image_folder.h"
#include "halftone/data/limit.h"

namespace halftone {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnderstood =
    "understood are a folder of images (DIR/<class>/*.jpg, .jpeg, .png), an .npz file or a folder "
    "of them, an .npy file, "
    "CIFAR binary (.bin) and IDX (images-idx3-ubyte)";

std::shared_ptr<const Dataset> open_file(const fs::path& path, const DatasetOptions& options) {
  const auto file = FileBytes::open(path);
  const auto start = file->read(0, std::min<uint64_t>(file->size(), 6));
  const std::string_view magic(reinterpret_cast<const char*>(start.data()), start.size());
  using namespace std::string_view_literals;
  if (magic.starts_with("PK") || magic.starts_with("\x93NUMPY"))
    return open_arrays({path}, options.inputs);
  // CIFAR first: a record may start with zeros too.
  if (path.extension() == ".bin") return open_cifar({path}, options.preprocess, options.inputs);
  if (magic.starts_with("\0\0\x08"sv) || magic.starts_with("\x1f\x8b"))
    return open_idx(path, options.preprocess, options.inputs);
  if (path.extension() == ".npz" || path.extension() == ".npy")
    throw Error("'", path.string(), "' is no numpy file by its first bytes; is it damaged?");
  throw Error("'", path.string(), "' is not understood as data; ", kUnderstood);
}

bool is_idx_images(const std::string& name) {
  return name.find("images-idx3-ubyte") != std::string::npos ||
         name.find("images.idx3-ubyte") != std::string::npos;
}

// The names of regular files in a folder, sorted.
std::vector<std::string> file_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    std::string name = entry->path().filename().string();
    if (name.front() != '.' && entry->is_regular_file(ignored)) names.push_back(std::move(name));
  }
  if (error) throw Error("cannot read the folder '", folder.string(), "': ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

template <typename Matches>
std::vector<fs::path> choose(const fs::path& folder, const std::vector<std::string>& names,
                             const Matches& matches) {
  std::vector<fs::path> chosen;
  for (const std::string& name : names)
    if (matches(name)) chosen.push_back(folder / name);
  return chosen;
}

std::vector<fs::path> choose_cifar(const fs::path& folder, const std::vector<std::string>& names) {
  const auto batches = choose(folder, names, [](const std::string& name) {
    return name.starts_with("data_batch_") && name.ends_with(".bin");
  });
  if (!batches.empty()) return batches;
  for (const std::string wanted : {"train.bin", "test_batch.bin", "test.bin"}) {
    const auto one = choose(folder, names, [&](const std::string& name) { return name == wanted; });
    if (!one.empty()) return one;
  }
  return {};
}

std::shared_ptr<const Dataset> open_folder(const fs::path& folder, const DatasetOptions& options) {
  const auto names = file_names(folder);
  const auto arrays =
      choose(folder, names, [](const std::string& name) { return name.ends_with(".npz"); });
  if (!arrays.empty()) return open_arrays(arrays, options.inputs);
  const auto cifar = choose_cifar(folder, names);
  if (!cifar.empty()) return open_cifar(cifar, options.preprocess, options.inputs);
  auto idx = choose(folder, names, is_idx_images);
  if (!idx.empty()) {
    const auto is_train = [](const fs::path& path) {
      return path.filename().string().starts_with("train");
    };
    std::stable_partition(idx.begin(), idx.end(), is_train);
    return open_idx(idx[0], options.preprocess, options.inputs);
  }
  std::optional<ClassList> classes;
  if (options.classes) classes = read_class_list(*options.classes);
  return open_image_folder(folder, classes, options.preprocess, options.inputs);
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const fs::path& path, const DatasetOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status))
    throw Error("no data at '", path.string(), "': there is no such file or folder; ", kUnderstood);
  auto data = fs::is_directory(status) ? open_folder(path, options) : open_file(path, options);
  if (!options.limit || *options.limit >= data->size()) return data;
  if (*options.limit == 0) throw UsageError("--limit takes 1 sample or more");
  auto indices = draw_samples(data->labels(), *options.limit, Rng(options.seed, "limit"));
  return std::make_shared<Subset>(std::move(data), std::move(indices));
}

}  // namespace halftone

#include "halftone/data/image_folder.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <system_error>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"
#include "halftone/data/image_dataset.h"

namespace halftone {
namespace {

namespace fs = std::filesystem;

bool is_image_name(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

// Names in one folder, sorted.
struct Listing {
  std::vector<std::string> images;
  std::vector<std::string> folders;
};

Listing list(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (name.front() == '.') continue;
    std::error_code ignored;  // a dangling link is neither a folder nor, by its name, worth a look
    if (is_image_name(name))
      listing.images.push_back(std::move(name));
    else if (entry->is_directory(ignored))
      listing.folders.push_back(std::move(name));
  }
  if (error) throw Error("cannot read the folder '", folder.string(), "': ", error.message());
  std::sort(listing.images.begin(), listing.images.end());
  std::sort(listing.folders.begin(), listing.folders.end());
  return listing;
}

// Paths are kept as a folder's number and a name: a million of them must fit.
struct Files {
  std::vector<fs::path> folders;
  std::vector<uint32_t> folder_of;
  std::vector<std::string> names;
  std::vector<int64_t> labels;

  void add(const fs::path& folder, std::vector<std::string> images, int64_t label) {
    folder_of.insert(folder_of.end(), images.size(), static_cast<uint32_t>(folders.size()));
    labels.insert(labels.end(), images.size(), label);
    std::move(images.begin(), images.end(), std::back_inserter(names));
    folders.push_back(folder);
  }
};

class ImageFolder : public ImageDataset {
 public:
  ImageFolder(const fs::path& folder, Files files, size_t class_count,
              const std::optional<Preprocess>& preprocess, std::vector<Value> inputs)
      : ImageDataset(std::move(inputs), preprocess, files.labels, class_count, folder.string()),
        root_(folder.string()),
        files_(std::move(files)) {}

  std::string name(size_t i) const override {
    return (files_.folders[files_.folder_of[i]] / files_.names[i]).string();
  }
  std::string describe() const override {
    return is_labelled() ? text(size(), " images of ", class_count(), " classes in '", root_, "'")
                         : text(size(), " images without labels in '", root_, "'");
  }

 private:
  Image image(size_t i) const override {
    const std::string path = name(i);
    return decode_image(FileBytes::open(path)->read_all(), path);
  }

  std::string root_;
  Files files_;
};

// The folder's classes in order of their index.
std::vector<std::pair<int64_t, std::string>> classes_of(const fs::path& folder,
                                                        const std::vector<std::string>& names,
                                                        const std::optional<ClassList>& classes) {
  std::vector<std::pair<int64_t, std::string>> result;
  for (const std::string& name : names) {
    if (!classes) {
      result.emplace_back(static_cast<int64_t>(result.size()), name);
      continue;
    }
    const ClassList::Entry* entry = classes->find(name);
    if (!entry)
      throw Error("the folder '", (folder / name).string(),
                  "' is named in no line of the class list; add '", name,
                  "' to it or move the folder away");
    result.emplace_back(entry->index, name);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace

std::shared_ptr<const Dataset> open_image_folder(const fs::path& folder,
                                                 const std::optional<ClassList>& classes,
                                                 const std::optional<Preprocess>& preprocess,
                                                 std::vector<Value> inputs) {
  Listing top = list(folder);
  Files files;
  if (!top.images.empty()) {
    for (const std::string& inner : top.folders)
      if (!list(folder / inner).images.empty())
        throw Error("the folder '", folder.string(), "' holds both images ('", top.images[0],
                    "') and folders of images ('", inner,
                    "'); whether it is labelled is unclear: move one kind away");
    files.add(folder, std::move(top.images), -1);
    return std::make_shared<ImageFolder>(folder, std::move(files), 0, preprocess,
                                         std::move(inputs));
  }
  for (const auto& [label, name] : classes_of(folder, top.folders, classes)) {
    std::vector<std::string> images = list(folder / name).images;
    if (images.empty())
      throw Error("the class folder '", (folder / name).string(),
                  "' holds no .jpg, .jpeg or .png file; put images there",
                  classes ? " or remove it"
                          : ", or name the classes by --classes: then folders may be missing "
                            "without shifting the labels of the others",
                  "; --data is the folder that holds the class folders");
    files.add(folder / name, std::move(images), label);
  }
  if (files.names.empty())
    throw Error("the folder '", folder.string(),
                "' holds no images (.jpg, .jpeg, .png), directly or in class folders");
  const size_t class_count = classes ? classes->count : top.folders.size();
  return std::make_shared<ImageFolder>(folder, std::move(files), class_count, preprocess,
                                       std::move(inputs));
}

}  // namespace halftone

#include "halftone/data/array_dataset.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/data/file_bytes.h"

namespace halftone {
namespace {

namespace fs = std::filesystem;

using Members = std::map<std::string, NpzMember>;

bool is_npy(const FileBytes& file) {
  return file.size() > 0 && file.read(0, 1)[0] == std::byte{0x93};
}

std::string names_of(const Members& members) {
  std::string names;
  for (const auto& [name, member] : members)
    names += (names.empty() ? "" : ", ") + name + " " + to_string(member.header().shape);
  return names.empty() ? "none" : names;
}

const NpzMember& find_array(const Members& members, const std::string& name,
                            const std::string& file) {
  const auto found = members.find(name);
  if (found == members.end())
    throw Error("'", file, "' has no array named like the model's input '", name,
                "'; its arrays are: ", names_of(members));
  return found->second;
}

const NpzMember* find_labels(const Members& members, const std::vector<Value>& inputs) {
  for (const char* name : {"label", "labels"}) {
    const auto has_name = [&](const Value& input) { return input.name == name; };
    const auto found = members.find(name);
    if (found != members.end() && std::none_of(inputs.begin(), inputs.end(), has_name))
      return &found->second;
  }
  return nullptr;
}

// Samples of one file: checks a header's first axis and the rest against the input; returns the
// first axis.
uint64_t check_array(const NpyHeader& header, const Value& input, const std::string& file) {
  const std::string where = file + ":" + input.name;
  if (header.shape.empty())
    throw Error("array '", where, "' is a scalar; its first axis must count samples");
  check_sample(input, header.dtype, Shape(header.shape.begin() + 1, header.shape.end()), where);
  return static_cast<uint64_t>(header.shape[0]);
}

std::vector<int64_t> read_labels(const NpzMember& member, uint64_t samples,
                                 const std::string& file) {
  constexpr int64_t kMostClasses = 1 << 24;
  const NpyHeader& header = member.header();
  if (!is_integer(header.dtype) || header.shape != Shape{static_cast<int64_t>(samples)})
    throw Error("'", file, "': the labels are ", name_of(header.dtype), to_string(header.shape),
                "; one whole number for each of the ", samples, " samples is expected");
  std::vector<int64_t> labels = member.open().all().to_vector<int64_t>();
  for (int64_t label : labels)
    if (label < -1 || label >= kMostClasses)
      throw Error("'", file, "': label ", label,
                  " is out of range; classes count from 0, and -1 is no label");
  return labels;
}

// What is known of the files before any row is read.
struct Index {
  std::vector<Value> inputs;
  std::vector<fs::path> files;
  std::vector<uint64_t> first_samples;  // of each file
  std::vector<int64_t> labels;
};

void add_npy(Index& index, const std::shared_ptr<const FileBytes>& file) {
  if (index.inputs.empty()) index.inputs.push_back({"input", {}, {}});
  if (index.inputs.size() != 1)
    throw Error("'", file->name(), "' is one array, but the model has ", index.inputs.size(),
                " inputs; save them by name with np.savez");
  const NpyArray array = open_npy(file);
  check_sample(index.inputs[0], array.dtype(), array.row_shape(), file->name());
  index.labels.insert(index.labels.end(), array.rows(), -1);
}

void add_npz(Index& index, const std::shared_ptr<const FileBytes>& file) {
  const Members members = open_npz(file);
  const NpzMember* labels = find_labels(members, index.inputs);
  if (index.inputs.empty())
    for (const auto& [name, member] : members)
      if (&member != labels) index.inputs.push_back({name, {}, {}});
  std::optional<uint64_t> samples;
  for (const Value& input : index.inputs) {
    const NpzMember& member = find_array(members, input.name, file->name());
    const uint64_t rows = check_array(member.header(), input, file->name());
    if (samples && rows != *samples)
      throw Error("'", file->name(), "': array '", input.name, "' has ", rows, " samples, but '",
                  index.inputs[0].name, "' has ", *samples);
    member.check_size();
    samples = rows;
  }
  if (!samples) throw Error("'", file->name(), "' holds no arrays");
  if (labels) {
    const auto read = read_labels(*labels, *samples, file->name());
    index.labels.insert(index.labels.end(), read.begin(), read.end());
  } else {
    index.labels.insert(index.labels.end(), *samples, -1);
  }
}

Index make_index(const std::vector<fs::path>& files, std::vector<Value> inputs) {
  Index index{std::move(inputs), files, {}, {}};
  for (const fs::path& path : files) {
    const auto file = FileBytes::open(path);
    index.first_samples.push_back(index.labels.size());
    is_npy(*file) ? add_npy(index, file) : add_npz(index, file);
  }
  return index;
}

using Arrays = std::vector<NpyArray>;  // one an input

class ArrayDataset : public Dataset {
 public:
  explicit ArrayDataset(Index index)
      : Dataset(index.inputs, index.labels, 0, index.files.at(0).string()),
        files_(std::move(index.files)),
        first_samples_(std::move(index.first_samples)) {}

  std::string name(size_t i) const override {
    const size_t k = file_of(i);
    return text(files_[k].string(), ", row ", i - first_samples_[k]);
  }
  std::string describe() const override {
    return text(size(), " samples",
                is_labelled() ? text(" of ", class_count(), " classes") : " without labels",
                " in '", files_[0].string(), "'",
                files_.size() > 1 ? text(" and ", files_.size() - 1, " more") : "");
  }

 private:
  size_t file_of(size_t i) const {
    const auto next = std::upper_bound(first_samples_.begin(), first_samples_.end(), i);
    return static_cast<size_t>(next - first_samples_.begin()) - 1;
  }

  std::vector<Tensor> read(size_t i) const override {
    const size_t k = file_of(i);
    const auto arrays = opened(k);
    std::vector<Tensor> rows;
    for (const NpyArray& array : *arrays) rows.push_back(array.row(i - first_samples_[k]));
    return rows;
  }

  // The arrays of file k. The most recently used files stay open: walking in order opens each once,
  // and a folder of ten thousand files does not take as many descriptors or temporary files.
  std::shared_ptr<const Arrays> opened(size_t k) const {
    constexpr size_t kMostOpen = 16;
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(recent_.begin(), recent_.end(),
                                    [&](const auto& open) { return open.first == k; });
    if (found != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, found);
    } else {
      recent_.emplace_front(k, open_file(files_[k]));
      if (recent_.size() > kMostOpen) recent_.pop_back();
    }
    return recent_.front().second;
  }

  std::shared_ptr<const Arrays> open_file(const fs::path& path) const {
    const auto file = FileBytes::open(path);
    auto arrays = std::make_shared<Arrays>();
    if (is_npy(*file)) {
      arrays->push_back(open_npy(file));
    } else {
      const Members members = open_npz(file);
      for (const Value& input : inputs())
        arrays->push_back(find_array(members, input.name, path.string()).open());
    }
    return arrays;
  }

  std::vector<fs::path> files_;
  std::vector<uint64_t> first_samples_;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<size_t, std::shared_ptr<const Arrays>>> recent_;
};

}  // namespace

std::shared_ptr<const Dataset> open_arrays(const std::vector<fs::path>& files,
                                           std::vector<Value> inputs) {
  return std::make_shared<ArrayDataset>(make_index(files, std::move(inputs)));
}

}  // namespace halftone

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/data/byte_images.h"
#include "halftone/data/image_dataset.h"

namespace halftone {
namespace {

constexpr uint64_t kSide = 32;
constexpr uint64_t kPixels = kSide * kSide;

// One file of records: some label bytes, of which the last counts, then the planes.
struct Part {
  std::shared_ptr<const FileBytes> file;
  uint64_t record_bytes;
  uint64_t first_sample;

  uint64_t label_bytes() const { return record_bytes - 3 * kPixels; }
};

std::vector<Part> parts_of(std::vector<std::shared_ptr<const FileBytes>> files) {
  std::vector<Part> parts;
  uint64_t samples = 0;
  for (auto& file : files) {
    const uint64_t ten = 1 + 3 * kPixels;
    const uint64_t hundred = 2 + 3 * kPixels;
    const uint64_t size = file->size();
    if (size == 0 || (size % ten != 0 && size % hundred != 0))
      throw Error("CIFAR file '", file->name(), "': ", size,
                  " bytes are no whole number of records of 3073 ",
                  "(CIFAR-10) or 3074 bytes (CIFAR-100); is it truncated?");
    const uint64_t record = size % ten == 0 ? ten : hundred;
    if (!parts.empty() && parts[0].record_bytes != record)
      throw Error("CIFAR files '", parts[0].file->name(), "' and '", file->name(),
                  "': one is CIFAR-10, the other CIFAR-100");
    parts.push_back({std::move(file), record, samples});
    samples += size / record;
  }
  return parts;
}

std::vector<int64_t> labels_of(const std::vector<Part>& parts) {
  std::vector<int64_t> labels;
  for (const Part& part : parts) {
    const int limit = part.label_bytes() == 1 ? 10 : 100;
    const uint64_t count = part.file->size() / part.record_bytes;
    // Whole records in blocks: one read a label would be 50,000 of them.
    constexpr uint64_t kBlock = 256;
    for (uint64_t first = 0; first < count; first += kBlock) {
      const uint64_t here = std::min(kBlock, count - first);
      const auto bytes = part.file->read(first * part.record_bytes, here * part.record_bytes);
      for (uint64_t i = 0; i < here; ++i) {
        const int label = static_cast<int>(bytes[i * part.record_bytes + part.label_bytes() - 1]);
        if (label >= limit)
          throw Error("CIFAR file '", part.file->name(), "': record ", first + i, " has label ",
                      label, ", but there are ", limit, " classes; is it another format?");
        labels.push_back(label);
      }
    }
  }
  return labels;
}

class Cifar : public ImageDataset {
 public:
  Cifar(std::vector<Part> parts, const std::optional<Preprocess>& preprocess,
        std::vector<Value> inputs)
      : ImageDataset(std::move(inputs), preprocess, labels_of(parts),
                     parts.empty() || parts[0].label_bytes() == 1 ? 10 : 100,
                     parts.empty() ? "CIFAR" : parts[0].file->name()),
        parts_(std::move(parts)) {}

  std::string name(size_t i) const override {
    const Part& part = part_of(i);
    return text(part.file->name(), ", record ", i - part.first_sample);
  }
  std::string describe() const override {
    return text(size(), " CIFAR-", class_count(), " images in '", parts_[0].file->name(), "'",
                parts_.size() > 1 ? text(" and ", parts_.size() - 1, " more") : "");
  }

 private:
  const Part& part_of(size_t i) const {
    auto next = std::upper_bound(
        parts_.begin(), parts_.end(), i,
        [](size_t sample, const Part& part) { return sample < part.first_sample; });
    return *std::prev(next);
  }

  Image image(size_t i) const override {
    const Part& part = part_of(i);
    std::array<std::byte, 3 * kPixels> planes;
    part.file->read((i - part.first_sample) * part.record_bytes + part.label_bytes(), planes);
    Image image{kSide, kSide, std::vector<uint8_t>(3 * kPixels)};
    for (size_t c = 0; c < 3; ++c)
      for (size_t p = 0; p < kPixels; ++p)
        image.rgb[3 * p + c] = static_cast<uint8_t>(planes[c * kPixels + p]);
    return image;
  }

  std::vector<Part> parts_;
};

}  // namespace

std::shared_ptr<const Dataset> open_cifar(std::vector<std::shared_ptr<const FileBytes>> files,
                                          const std::optional<Preprocess>& preprocess,
                                          std::vector<Value> inputs) {
  return std::make_shared<Cifar>(parts_of(std::move(files)), preprocess, std::move(inputs));
}

std::shared_ptr<const Dataset> open_cifar(const std::vector<std::filesystem::path>& files,
                                          const std::optional<Preprocess>& preprocess,
                                          std::vector<Value> inputs) {
  std::vector<std::shared_ptr<const FileBytes>> opened;
  for (const auto& file : files) opened.push_back(FileBytes::open(file));
  return open_cifar(std::move(opened), preprocess, std::move(inputs));
}

}  // namespace halftone

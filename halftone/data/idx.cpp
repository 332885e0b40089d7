#include <algorithm>
#include <string>
#include <utility>

#include "halftone/base/error.h"
#include "halftone/data/byte_images.h"
#include "halftone/data/image_dataset.h"

namespace halftone {
namespace {

namespace fs = std::filesystem;

struct Header {
  Shape shape;
  uint64_t data_offset;
};

// Two zero bytes, the type (8: unsigned bytes), the rank, then the dimensions, big-endian.
Header read_header(const FileBytes& file) {
  const auto fail = [&](const auto&... parts) {
    throw Error("IDX file '", file.name(), "': ", parts...);
  };
  if (file.size() < 4) fail("too short for a header");
  const auto magic = file.read(0, 4);
  if (magic[0] != std::byte{0} || magic[1] != std::byte{0})
    fail("does not start like IDX (two zero bytes)");
  if (magic[2] != std::byte{8})
    fail("element type ", static_cast<int>(magic[2]),
         ", where 8 (unsigned bytes) is understood; use .npz instead");
  const auto rank = static_cast<uint64_t>(magic[3]);
  if (rank < 1 || rank > 4)
    fail("rank ", rank, ", where 1 (labels), 3 or 4 (images) are understood");
  const auto dims = file.read(4, 4 * rank);
  Header header{{}, 4 + 4 * rank};
  for (uint64_t k = 0; k < rank; ++k) {
    uint32_t dim = 0;
    for (uint64_t b = 0; b < 4; ++b) dim = dim << 8 | static_cast<uint32_t>(dims[4 * k + b]);
    header.shape.push_back(dim);
  }
  const auto count = static_cast<uint64_t>(element_count(header.shape));
  if (count == 0 || count != file.size() - header.data_offset)
    fail("the header says ", to_string(header.shape), ", but ", file.size() - header.data_offset,
         " bytes follow; is it truncated?");
  return header;
}

Header read_image_header(const FileBytes& file) {
  Header header = read_header(file);
  const Shape& shape = header.shape;
  if (shape.size() != 3 && !(shape.size() == 4 && shape[3] == 3))
    throw Error("IDX file '", file.name(), "': ", to_string(shape),
                " are no images; [count,height,width] or [count,height,width,3] is expected");
  if (shape[1] > 65536 || shape[2] > 65536)
    throw Error("IDX file '", file.name(), "': images of ", to_string(shape), " are too large");
  return header;
}

std::vector<int64_t> read_labels(const FileBytes* file, const FileBytes& images, int64_t count) {
  if (!file) return std::vector<int64_t>(static_cast<size_t>(count), -1);
  const Header header = read_header(*file);
  if (header.shape.size() != 1 || header.shape[0] != count)
    throw Error("IDX file '", file->name(), "': labels of shape ", to_string(header.shape), " for ",
                count, " images in '", images.name(), "'");
  const auto bytes = file->read(header.data_offset, static_cast<uint64_t>(count));
  std::vector<int64_t> labels;
  for (std::byte label : bytes) labels.push_back(static_cast<int64_t>(label));
  return labels;
}

class Idx : public ImageDataset {
 public:
  Idx(std::shared_ptr<const FileBytes> images, Header header, const FileBytes* labels,
      const std::optional<Preprocess>& preprocess, std::vector<Value> inputs)
      : ImageDataset(std::move(inputs), preprocess, read_labels(labels, *images, header.shape[0]),
                     0, images->name()),
        file_(std::move(images)),
        header_(std::move(header)) {}

  std::string name(size_t i) const override { return text(file_->name(), ", image ", i); }
  std::string describe() const override {
    return text(size(), " images", is_labelled() ? "" : " without labels", " in '", file_->name(),
                "'");
  }

 private:
  Image image(size_t i) const override {
    const bool is_gray = header_.shape.size() == 3;
    Image image{static_cast<int>(header_.shape[2]), static_cast<int>(header_.shape[1]), {}};
    const uint64_t pixels = static_cast<uint64_t>(header_.shape[1] * header_.shape[2]);
    const uint64_t bytes = is_gray ? pixels : 3 * pixels;
    image.rgb.resize(3 * pixels);
    // Grey comes into the last third and is spread from the front: never past what is still to be
    // read.
    const auto stored = std::as_writable_bytes(std::span(image.rgb).last(bytes));
    file_->read(header_.data_offset + i * bytes, stored);
    for (uint64_t p = 0; is_gray && p < pixels; ++p)
      std::fill_n(image.rgb.begin() + static_cast<ptrdiff_t>(3 * p), 3, image.rgb[2 * pixels + p]);
    return image;
  }

  std::shared_ptr<const FileBytes> file_;
  Header header_;
};

std::shared_ptr<const FileBytes> open_maybe_packed(const fs::path& path) {
  auto file = FileBytes::open(path);
  return path.extension() == ".gz" ? inflate_gzip(*file) : file;
}

// nullptr where there is no file of labels beside the images.
std::shared_ptr<const FileBytes> open_labels(const fs::path& images) {
  std::string name = images.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  for (const std::string separator : {"-", "."}) {
    const size_t at = name.find("images" + separator + "idx");
    if (at == std::string::npos) continue;
    const std::string labels = name.substr(0, at) + "labels" + separator + "idx1-ubyte";
    for (const std::string ending : {"", ".gz"})
      if (const fs::path path = images.parent_path() / (labels + ending); fs::exists(path))
        return open_maybe_packed(path);
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<const Dataset> open_idx(std::shared_ptr<const FileBytes> images,
                                        std::shared_ptr<const FileBytes> labels,
                                        const std::optional<Preprocess>& preprocess,
                                        std::vector<Value> inputs) {
  Header header = read_image_header(*images);
  return std::make_shared<Idx>(std::move(images), std::move(header), labels.get(), preprocess,
                               std::move(inputs));
}

std::shared_ptr<const Dataset> open_idx(const fs::path& images,
                                        const std::optional<Preprocess>& preprocess,
                                        std::vector<Value> inputs) {
  return open_idx(open_maybe_packed(images), open_labels(images), preprocess, std::move(inputs));
}

}  // namespace halftone

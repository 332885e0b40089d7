// Opens data by what lies at a path.
//
//   const Preprocess how = load_preprocess("cifar10");
//   auto data = open_dataset(path, {.preprocess = how, .inputs = graph.fed_inputs(), .limit =
//   512}); run.info(data->describe());
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "halftone/data/dataset.h"
#include "halftone/data/preprocess.h"

namespace halftone {

struct DatasetOptions {
  std::optional<Preprocess> preprocess = {};          // needed for images
  std::vector<Value> inputs = {};                     // the model's; empty: nothing is checked
  std::optional<std::filesystem::path> classes = {};  // a class list, for image folders
  std::optional<size_t> limit = {};  // so many samples, drawn by seed, spread over the classes
  uint64_t seed = 0;
};

// A file is told by its first bytes: .npz, .npy, IDX images (plain or gzip), CIFAR binary (.bin). A
// folder by what it holds, in this order: .npz files; CIFAR's data_batch_*.bin, or train.bin, or
// test_batch.bin, or test.bin; IDX images
// (*-idx3-ubyte, train-* before others); images or class folders of images. Where a folder holds
// training and test data of CIFAR or IDX, the training data are taken: name the file to get the
// other. Throws Error naming the path where nothing is there, or nothing that is understood; see
// also what the formats throw (image_folder.h, byte_images.h, array_dataset.h).
std::shared_ptr<const Dataset> open_dataset(const std::filesystem::path& path,
                                            const DatasetOptions& options);

}  // namespace halftone

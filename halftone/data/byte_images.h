// Images stored as plain bytes at fixed places: the CIFAR binary and the IDX (MNIST) formats.
//
//   auto train = open_cifar({"data_batch_1.bin", "data_batch_2.bin"}, preprocess, inputs);
//   auto digits = open_idx("train-images-idx3-ubyte", preprocess, graph.fed_inputs());
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "halftone/data/dataset.h"
#include "halftone/data/file_bytes.h"
#include "halftone/data/preprocess.h"

namespace halftone {

// CIFAR-10: records of 3073 bytes, one label, then 32x32 pixels, red, green and blue after each
// other. CIFAR-100: 3074, with a coarse label first, which is passed over. Files follow each other.
// Throws Error naming the file where its size is no multiple of either, or a label is 10 (100) or
// more.
std::shared_ptr<const Dataset> open_cifar(const std::vector<std::filesystem::path>& files,
                                          const std::optional<Preprocess>& preprocess,
                                          std::vector<Value> inputs);

// IDX: unsigned bytes [count, height, width], grey, or [count, height, width, 3]; gzip by the
// ending .gz. Labels are in the file of the same name with "labels-idx1" for "images-idx3" (or
// "images.idx3"), with or without .gz; where there is none the data have no labels. A model with
// one channel wants "color": "gray" in the preprocessing. Throws Error naming the file where the
// header does not fit its size or the numbers of images and labels differ.
std::shared_ptr<const Dataset> open_idx(const std::filesystem::path& images,
                                        const std::optional<Preprocess>& preprocess,
                                        std::vector<Value> inputs);

// The same for bytes that are open already; labels may be nullptr.
std::shared_ptr<const Dataset> open_idx(std::shared_ptr<const FileBytes> images,
                                        std::shared_ptr<const FileBytes> labels,
                                        const std::optional<Preprocess>& preprocess,
                                        std::vector<Value> inputs);
std::shared_ptr<const Dataset> open_cifar(std::vector<std::shared_ptr<const FileBytes>> files,
                                          const std::optional<Preprocess>& preprocess,
                                          std::vector<Value> inputs);

}  // namespace halftone

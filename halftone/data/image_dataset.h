// What all data sets of images share: pixels go through the preprocessing into the model's one
// input.
//
//   class Folder : public ImageDataset { Image image(size_t i) const override; ... };
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "halftone/data/dataset.h"
#include "halftone/data/image.h"
#include "halftone/data/preprocess.h"

namespace halftone {

class ImageDataset : public Dataset {
 protected:
  // Throws Error naming `where` where there is no preprocessing, the model has several inputs, or
  // the preprocessing's crop does not fit the model's input.
  ImageDataset(std::vector<Value> inputs, const std::optional<Preprocess>& preprocess,
               std::vector<int64_t> labels, size_t class_count, const std::string& where);

 private:
  // Sample i as it is stored. Called from several threads.
  virtual Image image(size_t i) const = 0;
  std::vector<Tensor> read(size_t i) const override;

  Preprocess preprocess_;
};

}  // namespace halftone

// A folder of JPEG and PNG files: DIR/<class>/*.{jpg,jpeg,png}, or images directly in DIR without
// labels.
//
//   auto data = open_image_folder("cifar/test", classes, preprocess, graph.fed_inputs());
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "halftone/data/class_list.h"
#include "halftone/data/dataset.h"
#include "halftone/data/preprocess.h"

namespace halftone {

// Order is class, then file name, both by bytes. Endings count in any case; other files, and names
// that start with a dot, are passed over; folders are not searched deeper. Without `classes` the
// sorted folders are classes 0, 1, ...; with it the listed index is the label, and listed folders
// may be missing. Throws Error naming the folder where it cannot be read, holds no images, holds
// both images and folders of images, or where one of its class folders holds no images or is not
// listed.
std::shared_ptr<const Dataset> open_image_folder(const std::filesystem::path& folder,
                                                 const std::optional<ClassList>& classes,
                                                 const std::optional<Preprocess>& preprocess,
                                                 std::vector<Value> inputs);

}  // namespace halftone

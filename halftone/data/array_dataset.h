// Samples as rows of numpy arrays: one .npz whose arrays are named like the model's inputs, several
// such files, or one .npy for a model with one input.
//
//   auto data = open_arrays({"calibration.npz"}, graph.fed_inputs());
//
// The first axis counts samples, the same number in every array of a file; files follow each other.
// An integer array [samples] named "label" or "labels", unless the model has an input of that name,
// holds the labels. Other arrays are passed over. Floats convert to the model's float type,
// integers to its integer type.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "halftone/data/dataset.h"
#include "halftone/data/npy.h"

namespace halftone {

// `inputs`: the model's; empty takes every array as an input. Rows are read on demand, see
// data/npy.h for compressed files. Throws Error naming file and array where one is missing,
// malformed, of a type or shape the input does not take, or where the numbers of samples differ.
std::shared_ptr<const Dataset> open_arrays(const std::vector<std::filesystem::path>& files,
                                           std::vector<Value> inputs);

}  // namespace halftone

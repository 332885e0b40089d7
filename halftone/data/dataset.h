// Samples by number, read when asked for; the data may be larger than memory.
//
//   auto data = open_dataset("cifar/test", {.preprocess = how, .inputs = graph.fed_inputs()});
//   std::vector<Tensor> tensors = data->load(i);   // one a model input, no batch axis; any thread
//   int64_t label = data->labels()[i];             // -1: none
//
// Batches of samples, read ahead in threads: data/loader.h. What a path may hold:
// data/open_dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "halftone/graph/graph.h"
#include "halftone/graph/tensor.h"

namespace halftone {

class Dataset {
 public:
  virtual ~Dataset() = default;
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  size_t size() const { return labels_.size(); }
  // One a sample; -1 where there is none.
  const std::vector<int64_t>& labels() const { return labels_; }
  bool is_labelled() const;  // every sample has a label
  // How many classes the labels speak of (those without samples too); 0 for data without labels.
  size_t class_count() const { return class_count_; }
  // What is fed: the model's inputs, in the model's order, types with the batch axis.
  const std::vector<Value>& inputs() const { return inputs_; }

  // Sample i as one tensor an input, in the order and of the type of inputs(), without the batch
  // axis. Thread-safe. Throws Error naming the sample where it is broken or does not fit the
  // input's shape.
  std::vector<Tensor> load(size_t i) const;

  // Of sample i, for messages: a path, or a file and a number.
  virtual std::string name(size_t i) const = 0;
  // One line: what was found, how much of it.
  virtual std::string describe() const = 0;

 protected:
  // Throws Error where there are no samples. `class_count` is raised to what the labels need.
  Dataset(std::vector<Value> inputs, std::vector<int64_t> labels, size_t class_count,
          const std::string& where);

 private:
  // One tensor an input, of any type and shape. Called from several threads.
  virtual std::vector<Tensor> read(size_t i) const = 0;

  std::vector<Value> inputs_;
  std::vector<int64_t> labels_;
  size_t class_count_ = 0;
};

// Throws Error naming the input and the shape where samples of type `dtype` and shape `sample` (no
// batch axis) cannot be fed to `input`. `where` names the data. What the model leaves open fits
// everything.
void check_sample(const Value& input, DType dtype, const Shape& sample, const std::string& where);

// Some samples of another data set, in the given order.
class Subset : public Dataset {
 public:
  // Throws Error where `indices` is empty.
  Subset(std::shared_ptr<const Dataset> whole, std::vector<size_t> indices);
  std::string name(size_t i) const override { return whole_->name(indices_[i]); }
  std::string describe() const override;

 private:
  std::vector<Tensor> read(size_t i) const override { return whole_->load(indices_[i]); }

  std::shared_ptr<const Dataset> whole_;
  std::vector<size_t> indices_;
};

}  // namespace halftone

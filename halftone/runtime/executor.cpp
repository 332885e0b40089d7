// The native runtime as an Executor: `halftone eval --engine native`.
#include "halftone/graph/executor.h"

#include <cstring>
#include <mutex>

#include "halftone/runtime/session.h"

namespace halftone::runtime {
namespace {

// Samples one by one where the graph leaves the batch open; sessions are made as threads need them
// and kept.
class NativeRunner : public Runner {
 public:
  NativeRunner(const Graph& graph, const Run& run) : is_batched_(has_open_batch(graph)) {
    Model model;
    model.graph = graph;
    program_ = std::make_shared<Program>(load_program(model));
    name_float_layers(*program_, run);
  }

  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs) const override {
    std::unique_ptr<Session> session = take();
    const std::vector<Tensor> outputs = run_samples(*session, inputs);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(session));
    return outputs;
  }

 private:
  std::unique_ptr<Session> take() const {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Session>(program_);
    std::unique_ptr<Session> session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }

  std::vector<Tensor> run_samples(Session& session,
                                  const std::map<std::string, Tensor>& inputs) const {
    const auto samples =
        is_batched_ ? static_cast<size_t>(inputs.at(session.inputs()[0].name).shape().at(0)) : 1;
    std::vector<std::vector<std::byte>> results;
    for (const Port& port : session.outputs()) results.emplace_back(samples * port.bytes());
    for (size_t s = 0; s < samples; ++s) {
      std::vector<const void*> from;
      std::vector<void*> to;
      for (const Port& port : session.inputs())
        from.push_back(sample(inputs.at(port.name), port, s, samples));
      for (size_t i = 0; i < results.size(); ++i)
        to.push_back(results[i].data() + s * session.outputs()[i].bytes());
      if (!session.run(from, to)) throw Error(session.error());
    }
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < results.size(); ++i) {
      Shape shape = session.outputs()[i].shape;
      if (is_batched_ && !shape.empty()) shape[0] *= static_cast<int64_t>(samples);
      tensors.push_back(
          Tensor::from_bytes(session.outputs()[i].dtype, shape, std::move(results[i])));
    }
    return tensors;
  }

  static const void* sample(const Tensor& tensor, const Port& port, size_t index, size_t samples) {
    if (tensor.dtype() != port.dtype || tensor.bytes().size() != samples * port.bytes())
      throw Error("the input '", port.name, "' is ", name_of(tensor.dtype()), " ",
                  to_string(tensor.shape()), ", but the network takes ", name_of(port.dtype), " ",
                  to_string(port.shape), samples > 1 ? " a sample" : "");
    return tensor.bytes().data() + index * port.bytes();
  }

  bool is_batched_;
  std::shared_ptr<const Program> program_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Session>> idle_;
};

std::unique_ptr<Runner> make(const Graph& graph, const Run& run) {
  return std::make_unique<NativeRunner>(graph, run);
}

// Never the best by itself: it is compared with the simulation, which must not be its own judge.
HALFTONE_REGISTER(Executor, "native", "integers, as the verb run", -1, make);

}  // namespace
}  // namespace halftone::runtime

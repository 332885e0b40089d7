#include "halftone/data/evaluate.h"

#include <algorithm>
#include <memory>

#include "halftone/base/atomic_file.h"
#include "halftone/base/ordered_parallel.h"
#include "halftone/data/loader.h"
#include "halftone/data/npy.h"
#include "halftone/graph/executor.h"
#include "halftone/quant/energies.h"

namespace halftone {
namespace {

struct BatchResult {
  Batch batch;
  std::vector<Tensor> outputs, original;
};

// Values of the real rows of an output, and how many belong to one row.
struct Rows {
  std::vector<float> values;
  size_t width = 0;
  std::span<const float> row(size_t i) const { return std::span(values).subspan(i * width, width); }
};

Rows rows_of(const Tensor& output, size_t batch_rows) {
  Rows rows{output.to_vector<float>(), 0};
  rows.width = rows.values.size() / std::max<size_t>(1, batch_rows);
  return rows;
}

void add_energies(const Tensor& output, const Tensor& original, const Batch& batch,
                  size_t batch_rows, Energies& sum) {
  if (output.shape() != original.shape())
    throw Error("the two models' outputs have the shapes ", to_string(output.shape()), " and ",
                to_string(original.shape()));
  const Rows ours = rows_of(output, batch_rows), theirs = rows_of(original, batch_rows);
  const size_t count = batch.count * ours.width;
  sum.add(std::span(theirs.values).first(count), std::span(ours.values).first(count));
}

void write_npy(const std::filesystem::path& path, const Shape& shape,
               std::span<const float> values) {
  AtomicFile file(path);
  file.write(make_npy_header(DType::kFloat, shape));
  file.write(std::as_bytes(values));
  file.commit();
}

}  // namespace

size_t batch_size_for(const Graph& graph) {
  constexpr int64_t kElementsPerBatch = 1 << 18;
  int64_t sample = 1;
  for (const Value& input : graph.fed_inputs()) {
    if (!input.type.shape || input.type.shape->empty()) continue;
    const SymbolicShape& shape = *input.type.shape;
    if (shape[0].known() && shape[0].value > 0) return static_cast<size_t>(shape[0].value);
    int64_t elements = 1;
    for (size_t i = 1; i < shape.size(); ++i)
      if (shape[i].known() && shape[i].value > 0) elements *= shape[i].value;
    sample = std::max(sample, elements);
  }
  return static_cast<size_t>(std::clamp<int64_t>(kElementsPerBatch / sample, 2, 16));
}

Evaluation evaluate(const Graph& graph, const Graph* original, const Dataset& data,
                    const EvaluateOptions& options, const Run& run) {
  const Executor& engine =
      options.engine.empty() ? best_executor() : Registry<Executor>::get(options.engine);
  const auto runner = engine.make(graph, run);
  const auto original_runner = original ? best_executor().make(*original, run) : nullptr;
  const LoadOptions how{.batch = batch_size_for(graph), .skip_broken = options.skip_broken};
  const auto lists = split_batches(all_samples(data), how.batch);
  const auto fed = graph.fed_inputs();

  std::vector<float> first_outputs;
  Shape outputs_shape;
  Evaluation result;
  std::map<std::string, Energies> energies;
  std::vector<std::string> broken;
  Progress progress(run, "evaluating", data.size());
  ordered_parallel<BatchResult>(
      lists.size(), run.threads,
      [&](size_t b) {
        run.check_cancelled();
        BatchResult found{load_batch(data, lists[b], how), {}, {}};
        if (found.batch.count == 0) return found;
        std::map<std::string, Tensor> inputs;
        for (size_t i = 0; i < fed.size(); ++i) inputs[fed[i].name] = found.batch.inputs[i];
        found.outputs = runner->run(inputs);
        if (original_runner) found.original = original_runner->run(inputs);
        found.batch.inputs.clear();
        return found;
      },
      [&](size_t b, BatchResult found) {
        progress.advance(lists[b].size());
        broken.insert(broken.end(), found.batch.broken.begin(), found.batch.broken.end());
        if (found.batch.count == 0) return;
        const Rows logits = rows_of(found.outputs[0], how.batch);
        for (size_t i = 0; i < found.batch.count; ++i) {
          const int64_t label = found.batch.labels[i];
          if (label >= static_cast<int64_t>(logits.width))
            throw Error("sample '", data.name(found.batch.indices[i]), "' has the class ", label,
                        ", but the network has ", logits.width,
                        " outputs; give the class list with --classes");
          result.accuracy.add(logits.row(i), label);
        }
        if (options.outputs) {
          outputs_shape = found.outputs[0].shape();
          first_outputs.insert(
              first_outputs.end(), logits.values.begin(),
              logits.values.begin() + static_cast<int64_t>(found.batch.count * logits.width));
        }
        for (size_t k = 0; k < found.original.size() && k < found.outputs.size(); ++k)
          add_energies(found.outputs[k], found.original[k], found.batch, how.batch,
                       energies[graph.outputs[k].name]);
        result.samples += found.batch.count;
      });
  report_broken(broken, data.size(), run);
  if (options.outputs && !outputs_shape.empty()) {
    outputs_shape[0] = static_cast<int64_t>(result.samples);
    write_npy(*options.outputs, outputs_shape, first_outputs);
  }
  for (const auto& [name, e] : energies) result.sqnr_db[name] = e.sqnr_db();
  return result;
}

}  // namespace halftone

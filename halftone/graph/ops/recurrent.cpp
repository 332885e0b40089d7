// RNN, GRU, LSTM: a layer of cells that walks along a sequence, in one or both directions.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "halftone/graph/ops/arguments.h"
#include "halftone/graph/ops/numbers.h"

namespace halftone {
namespace {

using Values = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

using Activation = double (*)(double);

Activation activation_named(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "sigmoid") return sigmoid;
  if (name == "tanh") return [](double x) { return std::tanh(x); };
  if (name == "relu") return [](double x) { return std::max(x, 0.0); };
  throw Error("the activation ", name, " is not supported; Sigmoid, Tanh and Relu are");
}

// Inputs X [T,B,I] (layout 1: [B,T,I]), W [D,G*H,I], R [D,G*H,H], bias [D,2*G*H], sequence lengths
// [B], initial_h [D,B,H].
struct Sizes {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0, directions = 1, gates = 1;
};

struct Layer {
  Sizes n;
  std::vector<Activation> activations;  // of one direction
  double clip = 0;                      // 0: none
  bool resets_after = false;            // GRU: linear_before_reset
  Values w, r, bias, peepholes;         // of one direction

  double gate(const Values& matrix, int64_t row, const double* vector, int64_t width) const {
    double sum = 0;
    for (int64_t i = 0; i < width; ++i)
      sum += matrix[static_cast<size_t>(row * width + i)] * vector[i];
    return sum;
  }
  double from_input(int64_t row, const double* x) const {
    return gate(w, row, x, n.inputs) + bias_at(row);
  }
  double from_state(int64_t row, const double* h) const {
    return gate(r, row, h, n.hidden) + bias_at(n.gates * n.hidden + row);
  }
  double bias_at(int64_t i) const { return bias.empty() ? 0 : bias[static_cast<size_t>(i)]; }
  double peephole(int64_t gate, int64_t i) const {
    return peepholes.empty() ? 0 : peepholes[static_cast<size_t>(gate * n.hidden + i)];
  }
  double limited(double x) const { return clip > 0 ? std::clamp(x, -clip, clip) : x; }
};

// One step of one sample: x [I] and the state h [H] (and c [H]) to the next state.
using Cell = void (*)(const Layer&, const double* x, Values& h, Values& c);

void rnn_cell(const Layer& l, const double* x, Values& h, Values&) {
  const Values old = h;
  for (int64_t i = 0; i < l.n.hidden; ++i)
    h[static_cast<size_t>(i)] =
        l.activations[0](l.limited(l.from_input(i, x) + l.from_state(i, old.data())));
}

// Gates z, r, h.
void gru_cell(const Layer& l, const double* x, Values& h, Values&) {
  const int64_t size = l.n.hidden;
  const Values old = h;
  Values reset(old.size()), reset_state(old.size());
  for (int64_t i = 0; i < size; ++i) {
    const auto k = static_cast<size_t>(i);
    reset[k] =
        l.activations[0](l.limited(l.from_input(size + i, x) + l.from_state(size + i, old.data())));
    reset_state[k] = reset[k] * old[k];
  }
  for (int64_t i = 0; i < size; ++i) {
    const auto k = static_cast<size_t>(i);
    const double update =
        l.activations[0](l.limited(l.from_input(i, x) + l.from_state(i, old.data())));
    const double state = l.resets_after ? reset[k] * l.from_state(2 * size + i, old.data())
                                        : l.from_state(2 * size + i, reset_state.data());
    const double candidate = l.activations[1](l.limited(l.from_input(2 * size + i, x) + state));
    h[k] = (1 - update) * candidate + update * old[k];
  }
}

// Gates i, o, f, c; peepholes i, o, f.
void lstm_cell(const Layer& l, const double* x, Values& h, Values& c) {
  const int64_t size = l.n.hidden;
  const Values old = h;
  for (int64_t i = 0; i < size; ++i) {
    const auto k = static_cast<size_t>(i);
    auto sum = [&](int64_t gate) {
      return l.from_input(gate * size + i, x) + l.from_state(gate * size + i, old.data());
    };
    const double in = l.activations[0](l.limited(sum(0) + l.peephole(0, i) * c[k]));
    const double forget = l.activations[0](l.limited(sum(2) + l.peephole(2, i) * c[k]));
    c[k] = forget * c[k] + in * l.activations[1](l.limited(sum(3)));
    const double out = l.activations[0](l.limited(sum(1) + l.peephole(1, i) * c[k]));
    h[k] = out * l.activations[2](c[k]);
  }
}

std::optional<Dim> dim_of(const InferenceContext& context, size_t input, size_t i, int64_t rank) {
  const auto& shape = context.input(input).shape;
  if (!shape) return std::nullopt;
  if (static_cast<int64_t>(shape->size()) != rank)
    throw Error("input ", input, " has shape ", to_string(*shape), "; ", rank, " axes are needed");
  return (*shape)[i];
}

// Whether a known dimension is the one that is needed.
void require_dim(const InferenceContext& context, size_t input, size_t i, int64_t rank,
                 int64_t wanted) {
  if (!context.has(input)) return;
  const auto dim = dim_of(context, input, i, rank);
  if (dim && dim->known() && dim->value != wanted)
    throw Error("axis ", i, " of input ", input, " has ", dim->value, " elements; ", wanted,
                " are needed");
}

template <int kGates>
void infer(InferenceContext& context) {
  const bool batch_first = context.node().int_or("layout", 0) != 0;
  const std::string direction = context.node().string_or("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    throw Error("the direction ", direction,
                " is not known; forward, reverse and bidirectional are");
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const Dim steps = dim_of(context, 0, batch_first ? 1 : 0, 3).value_or(Dim{}),
            batch = dim_of(context, 0, batch_first ? 0 : 1, 3).value_or(Dim{});
  Dim hidden = dim_of(context, 2, 2, 3).value_or(Dim{});
  if (hidden.known()) {
    for (size_t input : {size_t{1}, size_t{2}}) {
      require_dim(context, input, 0, 3, directions);
      require_dim(context, input, 1, 3, kGates * hidden.value);
    }
    if (const auto width = dim_of(context, 0, 2, 3); width && width->known())
      require_dim(context, 1, 2, 3, width->value);
    require_dim(context, 3, 0, 2, directions);
    require_dim(context, 3, 1, 2, 2 * kGates * hidden.value);
    for (size_t input : {size_t{5}, size_t{6}}) {
      require_dim(context, input, batch_first ? 1 : 0, 3, directions);
      require_dim(context, input, 2, 3, hidden.value);
      if (batch.known()) require_dim(context, input, batch_first ? 0 : 1, 3, batch.value);
    }
    require_dim(context, 7, 0, 2, directions);
    require_dim(context, 7, 1, 2, 3 * hidden.value);
    if (batch.known()) require_dim(context, 4, 0, 1, batch.value);
  }
  const DType dtype = context.input(0).dtype;
  const Dim two = Dim::of(directions);
  context.set_output(0, dtype,
                     batch_first ? SymbolicShape{batch, steps, two, hidden}
                                 : SymbolicShape{steps, two, batch, hidden});
  for (size_t i : {size_t{1}, size_t{2}})
    context.set_output(
        i, dtype,
        batch_first ? SymbolicShape{batch, two, hidden} : SymbolicShape{two, batch, hidden});
}

Values part(const KernelInputs& in, size_t input, int64_t direction, int64_t directions) {
  if (!in.has(input)) return {};
  const Values all = in[input].to_vector<double>();
  const auto size = static_cast<int64_t>(all.size()) / directions;
  return {all.begin() + direction * size, all.begin() + (direction + 1) * size};
}

template <int kGates>
Tensors run(const KernelInputs& in, Cell cell, std::vector<std::string> defaults) {
  const TensorType sequence = output_type(in, infer<kGates>);
  const TensorType last =
      in.node.outputs.size() > 1 ? output_type(in, infer<kGates>, 1) : TensorType{};
  const bool batch_first = in.node.int_or("layout", 0) != 0;
  const Shape& shape = in[0].shape();
  if (in[1].count() == 0) throw Error("its weight is empty");
  const Sizes n{shape[batch_first ? 1 : 0], shape[batch_first ? 0 : 1], shape[2],
                in[2].shape()[2],           in[2].shape()[0],           kGates};
  std::vector<std::string> names;
  if (const auto found = in.node.attributes.find("activations");
      found != in.node.attributes.end()) {
    const auto* given = std::get_if<std::vector<std::string>>(&found->second);
    if (!given) throw Error("activations is not a list of names");
    names = *given;
  }
  if (names.empty())
    for (int64_t d = 0; d < n.directions; ++d)
      names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != defaults.size() * static_cast<size_t>(n.directions))
    throw Error("there are ", names.size(), " activations");
  if (in.node.int_or("input_forget", 0) != 0) throw Error("input_forget = 1 is not supported");
  const Values x = in[0].to_vector<double>();
  std::vector<int64_t> lengths(static_cast<size_t>(n.batch), n.steps);
  if (in.has(4)) lengths = in[4].to_vector<int64_t>();

  // Positions in the outputs, whose axes `layout` orders.
  const auto hidden = static_cast<size_t>(n.hidden);
  auto sequence_at = [&](int64_t t, int64_t d, int64_t b) {
    return static_cast<size_t>(batch_first ? ((b * n.steps + t) * n.directions + d)
                                           : ((t * n.directions + d) * n.batch + b)) *
           hidden;
  };
  auto state_at = [&](int64_t d, int64_t b) {
    return static_cast<size_t>(batch_first ? b * n.directions + d : d * n.batch + b) * hidden;
  };
  Values all(static_cast<size_t>(n.steps * n.directions * n.batch) * hidden),
      last_h(static_cast<size_t>(n.directions * n.batch) * hidden), last_c = last_h;
  const Values first_h = in.has(5) ? in[5].to_vector<double>() : last_h;
  const Values first_c = in.has(6) ? in[6].to_vector<double>() : last_h;
  const bool starts_reversed = in.node.string_or("direction", "forward") == "reverse";
  for (int64_t d = 0; d < n.directions; ++d) {
    Layer layer{.n = n,
                .activations = {},
                .clip = static_cast<double>(in.node.float_or("clip", 0)),
                .resets_after = in.node.int_or("linear_before_reset", 0) != 0,
                .w = part(in, 1, d, n.directions),
                .r = part(in, 2, d, n.directions),
                .bias = part(in, 3, d, n.directions),
                .peepholes = part(in, 7, d, n.directions)};
    for (size_t i = 0; i < defaults.size(); ++i)
      layer.activations.push_back(
          activation_named(names[static_cast<size_t>(d) * defaults.size() + i]));
    const bool is_reversed = starts_reversed || d == 1;
    for (int64_t b = 0; b < n.batch; ++b) {
      const auto at = static_cast<std::ptrdiff_t>(state_at(d, b));
      Values h(first_h.begin() + at, first_h.begin() + at + n.hidden),
          c(first_c.begin() + at, first_c.begin() + at + n.hidden);
      const int64_t length = std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 0, n.steps);
      for (int64_t step = 0; step < length; ++step) {
        const int64_t t = is_reversed ? length - 1 - step : step;
        cell(layer, x.data() + (batch_first ? b * n.steps + t : t * n.batch + b) * n.inputs, h, c);
        std::ranges::copy(h, all.begin() + static_cast<std::ptrdiff_t>(sequence_at(t, d, b)));
      }
      std::ranges::copy(h, last_h.begin() + at);
      std::ranges::copy(c, last_c.begin() + at);
    }
  }
  Tensors result{stored(sequence.dtype, sequence.shape, all)};
  if (in.node.outputs.size() > 1) result.push_back(stored(last.dtype, last.shape, last_h));
  if (in.node.outputs.size() > 2) result.push_back(stored(last.dtype, last.shape, last_c));
  return result;
}

Tensors rnn(const KernelInputs& in) { return run<1>(in, rnn_cell, {"Tanh"}); }
Tensors gru(const KernelInputs& in) { return run<3>(in, gru_cell, {"Sigmoid", "Tanh"}); }
Tensors lstm(const KernelInputs& in) { return run<4>(in, lstm_cell, {"Sigmoid", "Tanh", "Tanh"}); }

HALFTONE_REGISTER(GraphOp, "RNN", infer<1>, rnn);
HALFTONE_REGISTER(GraphOp, "GRU", infer<3>, gru);
HALFTONE_REGISTER(GraphOp, "LSTM", infer<4>, lstm);

}  // namespace
}  // namespace halftone

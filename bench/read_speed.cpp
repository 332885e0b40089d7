// Reading a model of 500 MB: time with the file in the page cache, and resident memory above that
// of the idle process after every weight was looked at.
//   build/release/bench/read_speed [FOLDER]      # exit 1 above 1 s or 1.1 times the file
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>

#include "halftone/base/error.h"
#include "halftone/base/units.h"
#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"

namespace halftone::bench {
namespace {

// 50 layers of 10 MB each: y = x W1 W2 ...
Model large_model() {
  constexpr int64_t kSide = 1581;  // 1581^2 * 4 bytes = 10 MB
  Model model;
  Graph& g = model.graph;
  g.inputs = {{"x", {DType::kFloat, SymbolicShape{Dim::of(1), Dim::of(kSide)}}, {}}};
  std::string x = "x";
  for (int i = 0; i < 50; ++i) {
    const std::string weight = text("w", i), y = text("y", i);
    g.initializers[weight] =
        Tensor::of<float>({kSide, kSide}, std::vector<float>(kSide * kSide, static_cast<float>(i)));
    g.nodes.push_back({.name = y, .op_type = "MatMul", .inputs = {x, weight}, .outputs = {y}});
    x = y;
  }
  g.outputs = {{x, {DType::kFloat, SymbolicShape{Dim::of(1), Dim::of(kSide)}}, {}}};
  return model;
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// The sum of all bytes of the weights: makes every page resident.
uint64_t touch(const Graph& graph) {
  uint64_t sum = 0;
  for (const auto& [name, tensor] : graph.initializers)
    for (std::byte b : tensor.bytes()) sum += static_cast<uint64_t>(b);
  return sum;
}

int run(const std::filesystem::path& folder) {
  const auto path = folder / text("halftone-large-", ::getpid(), ".onnx");
  // Written by a child, so that its memory is not taken for the reader's.
  if (const pid_t child = ::fork(); child == 0) {
    write_model(large_model(), path);
    ::_exit(0);
  } else {
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) throw Error("making '", path.string(), "' failed");
  }
  const uint64_t size = std::filesystem::file_size(path);
  const uint64_t idle = resident_bytes();
  const auto begin = std::chrono::steady_clock::now();
  const Model model = read_model(path);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const uint64_t sum = touch(model.graph);
  const uint64_t above = resident_bytes() - idle;
  std::filesystem::remove(path);
  const double ratio = static_cast<double>(above) / static_cast<double>(size);
  std::cout << std::fixed << std::setprecision(3) << "reading " << format_bytes(size) << ": "
            << seconds << " s (limit 1); resident above idle, every weight read, x" << ratio
            << " of the file (limit x1.1; checksum " << sum << ")\n";
  return seconds < 1 && ratio < 1.1 ? 0 : 1;
}

}  // namespace
}  // namespace halftone::bench

int main(int count, char** arguments) {
  return halftone::bench::run(count > 1 ? std::filesystem::path(arguments[1])
                                        : std::filesystem::temp_directory_path());
}

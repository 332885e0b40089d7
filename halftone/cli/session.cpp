#include "halftone/cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <thread>

#include "halftone/base/error.h"
#include "halftone/base/units.h"

namespace halftone::cli {
namespace {

bool is_terminal() {
  static const bool result = ::isatty(STDERR_FILENO) != 0;
  return result;
}

}  // namespace

void Terminal::clear_bar() {
  if (!shown_.empty() && is_terminal()) std::cerr << "\r\x1b[K" << std::flush;
}

void Terminal::progress(std::string_view what, size_t done, size_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (shown_ != what) {
    clear_bar();
    shown_ = what;
    started_ = now;
    drawn_ = {};
    if (!is_terminal()) std::cerr << what << " (" << total << ")\n";
  }
  const bool is_done = done >= total;
  if (is_terminal() && (is_done || now - drawn_ > std::chrono::milliseconds(100))) {
    drawn_ = now;
    const double elapsed = std::chrono::duration<double>(now - started_).count();
    const size_t width = 30, filled = total ? std::min(width, done * width / total) : width;
    std::cerr << '\r' << what << " [" << std::string(filled, '=')
              << std::string(width - filled, ' ') << "] " << done << '/' << total;
    if (done > 0 && !is_done)
      std::cerr << "  "
                << format_seconds(elapsed * static_cast<double>(total - done) /
                                  static_cast<double>(done))
                << " left";
    std::cerr << "\x1b[K" << std::flush;
  }
  if (is_done) {
    clear_bar();
    shown_.clear();
  }
}

void Terminal::warning(std::string_view message) {
  clear_bar();
  std::cerr << "warning: " << message << '\n';
}

void Terminal::info(std::string_view message) {
  clear_bar();
  std::cerr << message << '\n';
}

Session::Session(CLI::App& app) {
  run_.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  run_.reporter = &terminal_;
  const std::string group = "General";
  app.add_option("--seed", run_.seed, "Seed of everything random")
      ->capture_default_str()
      ->group(group);
  app.add_option("--threads", run_.threads, "Worker threads; results do not depend on it")
      ->check(CLI::Range(1, 1024))
      ->group(group);
  app.add_option("--json", json_path_, "Write the same facts as JSON")
      ->type_name("FILE")
      ->group(group);
}

Session::Session(CLI::App& app, LongJob) : Session(app) {
  const std::string group = "Long jobs";
  app.add_option("--checkpoint", run_.checkpoint,
                 "Folder that keeps what is done, so that a kill loses little")
      ->type_name("DIR")
      ->group(group);
  app.add_flag("--resume", run_.resume,
               "Go on from --checkpoint; gives the bytes of an undisturbed run")
      ->group(group);
  app.add_option("--time-budget", time_budget_,
                 "Stop after this long with the best so far: 90s, 20m, 2h")
      ->type_name("TIME")
      ->group(group);
  app.add_option("--memory", memory_,
                 "What the process may take: 2GB; cached data beyond a part of it goes to files")
      ->type_name("SIZE")
      ->group(group);
}

double Session::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Session::begin(const std::string& model, Files files) {
  start_ = std::chrono::steady_clock::now();
  if (run_.resume && run_.checkpoint.empty()) throw UsageError("--resume needs --checkpoint DIR");
  files.read.push_back(model);
  files.written.push_back(json_path_);
  require_writable(files);
  if (!memory_.empty()) run_.memory_bytes = parse_size_bytes(memory_);
  if (!time_budget_.empty())
    run_.deadline =
        start_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                     std::chrono::duration<double>(parse_duration_seconds(time_budget_)));
  facts_["halftone"] = HALFTONE_VERSION;
  facts_["model"] = model;
  facts_["seconds"] = 0.0;
  facts_["seed"] = run_.seed;
  facts_["threads"] = run_.threads;
  facts_["simd"] = simd_level();
}

void Session::finish() {
  facts_["seconds"] = seconds();
  if (!json_path_.empty()) write_text(json_path_, facts_.dump(1) + "\n");
}

std::string simd_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return "avx512-vnni";
  if (__builtin_cpu_supports("avx512f")) return "avx512";
  if (__builtin_cpu_supports("avx2")) return "avx2";
#endif
  return "baseline";
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string result;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const size_t digit = row[i].find_first_not_of('-');
      const bool is_number = digit <= 1 && std::isdigit(static_cast<unsigned char>(row[i][digit]));
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i ? "  " : "") + (is_number ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  }
  return result;
}

}  // namespace halftone::cli

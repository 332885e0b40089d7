#include "halftone/base/units.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "halftone/base/error.h"

namespace halftone {
namespace {

struct Quantity {
  double value;
  std::string unit;  // lower case, may be empty
};

Quantity parse_quantity(std::string_view text, const char* what, const char* example) {
  Quantity result{};
  auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), result.value);
  if (code != std::errc() || !std::isfinite(result.value) || result.value < 0)
    throw UsageError("'", text, "' is not a ", what, "; write it like ", example);
  for (; end != text.data() + text.size(); ++end)
    if (*end != ' ')
      result.unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*end)));
  return result;
}

std::string three_digits(double value, const char* unit) {
  char buffer[32];
  const int decimals = value >= 100 || value == 0 ? 0 : value >= 10 ? 1 : 2;
  std::snprintf(buffer, sizeof buffer, "%.*f %s", decimals, value, unit);
  return buffer;
}

}  // namespace

uint64_t parse_size_bytes(std::string_view text) {
  static constexpr std::array<std::pair<const char*, double>, 10> kUnits{
      {{"", 1},
       {"b", 1},
       {"kb", 1e3},
       {"mb", 1e6},
       {"gb", 1e9},
       {"tb", 1e12},
       {"kib", 1024.0},
       {"mib", 1048576.0},
       {"gib", 1073741824.0},
       {"tib", 1099511627776.0}}};
  const Quantity quantity = parse_quantity(text, "size", "1.5MB or 512KiB");
  for (const auto& [unit, factor] : kUnits)
    if (quantity.unit == unit && quantity.value * factor < 9e18)
      return static_cast<uint64_t>(std::llround(quantity.value * factor));
  throw UsageError("'", text, "' is not a size; units are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB");
}

double parse_duration_seconds(std::string_view text) {
  const Quantity quantity = parse_quantity(text, "duration", "90s, 20m or 1.5h");
  if (quantity.unit.empty() || quantity.unit == "s") return quantity.value;
  if (quantity.unit == "m" || quantity.unit == "min") return quantity.value * 60;
  if (quantity.unit == "h") return quantity.value * 3600;
  throw UsageError("'", text, "' is not a duration; units are s, m, h");
}

std::string format_bytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value < 1e3) return text(bytes, " B");
  if (value < 999.5e3) return three_digits(value / 1e3, "kB");
  if (value < 999.5e6) return three_digits(value / 1e6, "MB");
  return three_digits(value / 1e9, "GB");
}

std::string format_seconds(double seconds) {
  if (seconds < 1e-3) return three_digits(seconds * 1e6, "us");
  if (seconds < 1) return three_digits(seconds * 1e3, "ms");
  if (seconds < 60) return three_digits(seconds, "s");
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 3600) return text(whole / 60, " min ", whole % 60, " s");
  return text(whole / 3600, " h ", whole % 3600 / 60, " min");
}

std::string format_count(uint64_t count) {
  const auto value = static_cast<double>(count);
  if (value < 1e3) return text(count);
  if (value < 999.5e3) return three_digits(value / 1e3, "k");
  if (value < 999.5e6) return three_digits(value / 1e6, "M");
  return three_digits(value / 1e9, "G");
}

std::string fixed(double value, int decimals) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string scientific(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2e", value);
  return buffer;
}

}  // namespace halftone

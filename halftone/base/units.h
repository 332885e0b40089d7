// Sizes, durations and figures as people write them: "1.5MB", "512KiB", "20m", and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace halftone {

// "1.5MB" -> 1500000; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024; a bare number is bytes.
// Case-insensitive. Throws UsageError.
uint64_t parse_size_bytes(std::string_view text);

// "20m" -> 1200; s, m, h; a bare number is seconds. Throws UsageError.
double parse_duration_seconds(std::string_view text);

// Three significant digits: 1116000 -> "1.12 MB".
std::string format_bytes(uint64_t bytes);

// 0.0123 -> "12.3 ms", 75 -> "1 min 15 s".
std::string format_seconds(double seconds);

// 40600000 -> "40.6 M".
std::string format_count(uint64_t count);

// With so many digits behind the point: 87.806 -> "87.81".
std::string fixed(double value, int decimals);

// 0.000123 -> "1.23e-04".
std::string scientific(double value);

}  // namespace halftone

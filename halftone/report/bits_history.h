// A picture of bits that were decided again and again while a network was trained (QBitOpt).
//
//   write(bits_history_html("resnet20.onnx", read_text("history.jsonl"), "history.jsonl"));
#pragma once

#include <string>

namespace halftone {

// lines: what `train --bits-history` writes, a JSON object a decision with "step", "bits" by site,
// "average_weight_bits" and "average_activation_bits". One HTML file: a column a decision, above it
// the averages. Throws Error naming `source` where a line is no such object or has other sites.
std::string bits_history_html(const std::string& title, const std::string& lines,
                              const std::string& source);

}  // namespace halftone

// What tells the checkpoint of one quantize() from that of another.
#pragma once

#include <map>
#include <string>

#include "halftone/base/checkpoint.h"
#include "halftone/export/dequantize.h"
#include "halftone/ptq/calibrate.h"
#include "halftone/ptq/quantize.h"

namespace halftone {

// Count and names of the samples, for a fact.
std::string fingerprint_of_names(const Dataset& data);

// What a result depends on, by name. given: the float network that is quantized, with the numbers
// that it has already, of its file and of encodings.
std::map<std::string, std::string> checkpoint_facts(const Dequantized& given, const Dataset& data,
                                                    const QuantizeOptions& options, const Run& run);

// Float outputs tell preprocessing and the samples' content, which facts cannot. Throws Error where
// the checkpoint has others.
void require_same_outputs(const Checkpoint& checkpoint, const Calibration& calibration);

}  // namespace halftone

// A plan's budget against the file that came of it.
#pragma once

#include <string>

#include "halftone/graph/graph.h"
#include "halftone/quant/plan.h"

namespace halftone {

// Bytes of the weights of a model: their packed codes, scales and zero points, each constant once.
// Of a model that is not in the compact form: as the compact form would store its widths.
int64_t weight_bytes_of(const Model& model);

// Throws Error that names the limit and both figures where `written`, a model that is about to be
// written, passes the budget of the plan `source`. Does nothing for a plan without a budget.
void require_within_budget(const Model& written, const Budget& budget, const std::string& source);

}  // namespace halftone

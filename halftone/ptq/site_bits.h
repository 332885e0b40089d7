// The bits of every site: defaults (8 for the first and the last layer and for activations that no
// weighted layer reads, unless activations stay in float), then the plan, then --fix.
#pragma once

#include <map>
#include <set>
#include <string>

#include "halftone/export/placement.h"
#include "halftone/ptq/quantize.h"
#include "halftone/quant/spec.h"

namespace halftone {

// Spec of every weight and activation site of `placement`, and of the skip of every separable value
// (8 bits unless the plan or a fix says else), unless options.shares_skips. Throws UsageError for
// bits that the target cannot express or a fix that matches nothing, Error for a plan that names no
// site, or bits for another number of channels.
std::map<std::string, QuantSpec> site_specs(const Graph& graph, const Placement& placement,
                                            const Profile& profile, const QuantizeOptions& options);

// What the options ask of a site before plans, fixes and what keeps 8 bits.
QuantSpec default_spec(const Site& site, const QuantizeOptions& options);

// Throws Error naming the site where groups or zero points are asked of a weight that `placement`
// has in an integer operator, or groups that no target takes. specs: of every weight site.
void require_float_readers(const Graph& graph, const Placement& placement,
                           const std::map<std::string, QuantSpec>& specs);

// Whether `name` matches `pattern`, where * stands for any characters and ? for one.
bool matches(std::string_view pattern, std::string_view name);

}  // namespace halftone

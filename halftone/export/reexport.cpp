#include "halftone/export/reexport.h"

#include "halftone/export/dequantize.h"
#include "halftone/export/prepare.h"

namespace halftone {

Model reexport(const Model& source, const Profile& profile) {
  Dequantized parts = dequantize(prepare(source));
  if (parts.quantization() == Quantization::kFloat)
    throw Error("the model is float: there is no quantization to keep; quantize it with --data");
  for (auto& [name, params] : parts.sites.activations) params = stored_in(profile, params, name);
  const Placement placement = place(parts.model.graph, profile, parts.float_sites());
  return write_qdq(parts.model, placement, parts.sites, profile, {.float_weights = true});
}

}  // namespace halftone

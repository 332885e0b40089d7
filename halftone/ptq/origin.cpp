#include "halftone/ptq/origin.h"

#include "halftone/base/checkpoint.h"
#include "halftone/onnx/writer.h"
#include "halftone/ptq/checkpoint_facts.h"

namespace halftone {

void record_origin(Model& model, const Origin& origin) {
  model.set_metadata("halftone.format", "1");
  model.set_metadata("halftone.method", origin.method);
  model.set_metadata("halftone.seed", std::to_string(origin.seed));
  model.set_metadata("halftone.source", fingerprint(serialize_model(origin.source)));
  model.set_metadata("halftone.calibration",
                     text(origin.samples, " of ", fingerprint_of_names(origin.data)));
}

}  // namespace halftone

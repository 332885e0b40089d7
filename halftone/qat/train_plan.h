// Options of a training with everything filled in that was left to the quantizer's recipe.
#pragma once

#include <string>

#include "halftone/qat/guide.h"
#include "halftone/qat/schedule.h"
#include "halftone/qat/train.h"

namespace halftone {

struct TrainPlan {
  TrainOptions options;
  const QuantizerKind& quantizer;
  const GuideKind& guide;
  const Schedule& schedule;
  bool learns_labels = true;
};

// Throws UsageError for options out of range or that do not fit each other or the data.
// graph: of the model that is trained.
TrainPlan planned(const TrainOptions& options, const Dataset& data, const Graph& graph);

// All that a result depends on, to tell one run's checkpoint from another's.
std::string described(const TrainPlan& plan);

}  // namespace halftone

// Stops a training as a kill would, after so many reports of an epoch's progress.
#pragma once

#include <stdexcept>
#include <string_view>

#include "halftone/base/run.h"

namespace halftone {

struct Killer : Reporter {
  explicit Killer(int reports) : left(reports) {}
  void progress(std::string_view what, size_t, size_t) override {
    if (what.starts_with("epoch") && --left < 0) throw std::runtime_error("killed");
  }
  int left;
};

}  // namespace halftone

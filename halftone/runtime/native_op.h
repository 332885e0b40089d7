// How an operator becomes a native layer: one file in ops/ and one registration each.
//
//   std::unique_ptr<Layer> make(LoadContext& context, const Node& node, std::string& reason);
//   HALFTONE_REGISTER(NativeOp, "MaxPool", make);
//
// An operator that is not registered, or says why it cannot, runs in float by its reference kernel.
#pragma once

#include <memory>
#include <string>

#include "halftone/base/registry.h"
#include "halftone/runtime/load_context.h"

namespace halftone::runtime {

struct NativeOp {
  static constexpr const char* kKind = "native operator";
  std::string name;
  // nullptr, with the reason, where this node must stay in float. Makes no value of the context
  // before it is sure.
  std::unique_ptr<Layer> (*make)(LoadContext& context, const Node& node, std::string& reason);
};

}  // namespace halftone::runtime

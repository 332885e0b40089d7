#include "halftone/export/profile.h"

namespace halftone {
namespace {

// Weights within [-64, 64]: two products of at most 255 * 64 fit 16 bits, so that onnxruntime's
// kernels for CPUs without VNNI, which add them in saturating int16, are exact.
constexpr CodeRange kNeverSaturates{-64, 64};
constexpr CodeRange kNarrow{-127, 127};

HALFTONE_REGISTER(Profile, "onnxruntime",
                  "onnxruntime on CPUs: uint8 activations, Q/DQ around every integer operator",
                  "measured on onnxruntime 1.30 and 1.32", DType::kUint8, true, false, true,
                  NarrowActivation::kIntegerClip, kNeverSaturates, false, true);
HALFTONE_REGISTER(
    Profile, "compact",
    "as onnxruntime, weights stored in their bits and unpacked when the file is loaded",
    "measured on onnxruntime 1.30 and 1.32", DType::kUint8, true, false, true,
    NarrowActivation::kIntegerClip, kNeverSaturates, true, true);
HALFTONE_REGISTER(Profile, "openvino",
                  "OpenVINO: as onnxruntime, one scale for a Concat, no Clip between Q and DQ",
                  "OpenVINO's ONNX importer; not run", DType::kUint8, true, true, true,
                  NarrowActivation::kSaturatingZeroPoint, kNarrow);
HALFTONE_REGISTER(Profile, "tensorrt",
                  "TensorRT: int8 activations without zero point, Q/DQ before weighted operators",
                  "TensorRT's ONNX parser; not run", DType::kInt8, false, true, false,
                  NarrowActivation::kNone, kNarrow);

}  // namespace

CodeRange weight_codes(const Profile& profile, int bits, bool full_range_) {
  if (bits == 8) return full_range_ ? kNarrow : profile.eight_bit_weights;
  if (bits == 1) return {-1, 1};
  return full_range(bits, true);
}

CodeRange activation_codes(const Profile& profile, int bits) {
  if (profile.activation_type == DType::kInt8) return {-127, 127};
  if (profile.narrow_activation == NarrowActivation::kSaturatingZeroPoint)
    return {256 - (1 << bits), 255};
  return full_range(bits, false);
}

QuantParams stored_in(const Profile& profile, QuantParams params, const std::string& site) {
  if (profile.activation_type != DType::kInt8) return params;
  params.zero_points[0] -= 128;
  params.range = {params.range.qmin - 128, params.range.qmax - 128};
  if (params.zero_points[0] != 0)
    throw Error("'", site, "' has the zero point ", params.zero_points[0] + 128,
                " of 255, which the target ", profile.name,
                " cannot hold without changing a number; give --requantize to quantize anew");
  return params;
}

}  // namespace halftone

// Brings every way of writing a quantized network to one: float operators between QuantizeLinear
// and DequantizeLinear.
//
//   Model model = qdq_form(lifted(read_model("resnet50-int8.onnx")));
#pragma once

#include "halftone/graph/graph.h"

namespace halftone {

// The same function with the operators of Registry<QuantizedForm> rewritten: QLinearConv,
// QLinearMatMul and onnxruntime's QLinear operators, QGemm and MatMulNBits; FakeQuantize
// (OpenVINO), Quant and BipolarQuant (QONNX). Where DynamicQuantizeLinear feeds ConvInteger or
// MatMulInteger the activation becomes float and the weight stays quantized. Nothing is rounded
// anew. model: opset 13 or later. A model without such operators comes back as it is. Throws Error
// naming the node: an operator of com.microsoft that is none of these, or parameters that QDQ
// cannot express.
Model qdq_form(const Model& model);

}  // namespace halftone

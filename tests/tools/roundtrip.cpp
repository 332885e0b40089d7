// Reads a model and writes it back: what the judge tests compare with the original in onnxruntime.
//   roundtrip IN OUT
#include <iostream>

#include "halftone/onnx/reader.h"
#include "halftone/onnx/writer.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    halftone::write_model(halftone::read_model(argv[1]), argv[2]);
  } catch (const std::exception& error) {
    std::cerr << "roundtrip: " << error.what() << '\n';
    return 1;
  }
}

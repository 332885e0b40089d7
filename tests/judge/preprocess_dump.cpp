// Writes preprocessed images for the judge (preprocess_test.py), which compares them with Pillow's
// and numpy's.
//
//   preprocess_dump imagenet a.jpg b.png > floats      // float32, one image after another
#include <cstdio>
#include <iostream>

#include "halftone/data/file_bytes.h"
#include "halftone/data/preprocess.h"

int main(int count, char** arguments) {
  using namespace halftone;
  try {
    if (count < 3) throw UsageError("preprocess_dump PRESET|FILE.json IMAGE...");
    const Preprocess preprocess = load_preprocess(arguments[1]);
    for (int i = 2; i < count; ++i) {
      const std::string path = arguments[i];
      const Tensor tensor =
          preprocess.apply(decode_image(FileBytes::open(path)->read_all(), path), path);
      std::fwrite(tensor.bytes().data(), 1, tensor.bytes().size(), stdout);
    }
  } catch (const Error& error) {
    std::cerr << "halftone: " << error.what() << "\n";
    return 1;
  }
}

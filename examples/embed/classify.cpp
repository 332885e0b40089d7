// Classifies an image with a quantized network:  classify resnet20-w4a4.onnx cat.png
// The preprocessing is what `halftone quantize` wrote into the model.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "halftone/data/file_bytes.h"
#include "halftone/data/image.h"
#include "halftone/data/preprocess.h"
#include "halftone/onnx/reader.h"
#include "halftone/runtime/session.h"

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: classify MODEL.onnx IMAGE\n", stderr), 2;
  try {
    const halftone::Model model = halftone::read_model(argv[1]);
    const std::string* carried = model.find_metadata(halftone::kPreprocessKey);
    if (!carried) throw halftone::Error(argv[1], " carries no preprocessing");
    const auto preprocess = halftone::parse_preprocess(*carried, argv[1]);

    halftone::runtime::Session session(
        std::make_shared<halftone::runtime::Program>(halftone::runtime::load_program(model)));
    const auto image =
        halftone::decode_image(halftone::FileBytes::open(argv[2])->read_all(), argv[2]);
    const auto pixels = preprocess.apply(image, argv[2]).to_vector<float>();
    std::vector<float> logits(session.outputs()[0].elements());
    if (pixels.size() != session.inputs()[0].elements())
      throw halftone::Error(argv[2], " gives ", pixels.size(), " values, the network takes ",
                            session.inputs()[0].elements());

    const void* inputs[] = {pixels.data()};
    void* outputs[] = {logits.data()};
    if (!session.run(inputs, outputs)) throw halftone::Error(session.error());
    const auto best = std::ranges::max_element(logits) - logits.begin();
    std::printf("class %td, score %.3f\n", best,
                static_cast<double>(logits[static_cast<size_t>(best)]));
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "classify: %s\n", error.what()), 1;
  }
}

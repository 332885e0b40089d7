#!/usr/bin/env python3
"""The tables of docs/results/qat.md: training with quantization, judged by onnxruntime.

    .venv/bin/python bench/experiments/qat.py            # all rows; finished ones are kept, a stopped one goes on
    .venv/bin/python bench/experiments/qat.py "2/2"      # rows whose name contains the word

EPOCHS=0.5 scales every row's epochs and LIMIT=20000 its images: for a machine or a sitting that is too short. What was
run is in the table.
"""
import os, shutil, sys

from judge import CIFAR, IMAGENET, MODELS, SCRATCH, Rows, correct, halftone, halves, labelled, preprocess_file, unpacked

SCALE = float(os.environ.get("EPOCHS", 1))
LIMIT = int(os.environ.get("LIMIT", 50000))
BR = ["--guide", "block-replacement"]
STEPWISE = ["--guide", "distill", "--lower-bits", "4,3"]
# name, weight bits, activation bits, epochs, images, options, largest drop
ROWS = [
    ("4/4 lsq", 4, 4, 5, LIMIT, [], 0.5),
    ("3/3 lsq", 3, 3, 8, LIMIT, [], 1.2),
    ("2/2 lsq plain", 2, 2, 10, LIMIT, [], None),
    ("2/2 lsq distilled, bits lowered", 2, 2, 10, LIMIT, STEPWISE, 3.5),
    ("2/2 block replacement", 2, 2, 10, LIMIT, BR, None),
    ("3/3 block replacement", 3, 3, 8, LIMIT, BR, None),
    ("8/8 fat scalar", 8, 8, 8, 5000, ["--quantizer", "fat", "--per-tensor"], 0.3),
    ("4/4 fat scalar", 4, 4, 8, 5000, ["--quantizer", "fat", "--per-tensor"], None),
    ("4/4 fat channels", 4, 4, 8, 5000, ["--quantizer", "fat"], None),
    ("4/4 fat channels, pointwise", 4, 4, 8, 5000, ["--quantizer", "fat", "--pointwise"], 1.5),
] + [(f"arms {name}", 2, 2, 3, 20000, options, None) for name, options in (
    ("lsq", []), ("distilled", ["--guide", "distill"]), ("prefix", BR), ("single", BR + ["--mix", "single"]),
    ("features", ["--guide", "features"]))]
rows = Rows("qat")


def row(name, w, a, epochs, images, options):
    data = unpacked("cifar10.tar.xz")
    epochs = max(1, round(epochs * SCALE))
    key = name.replace(" ", "-").replace("/", "").replace(",", "")
    out, kept = SCRATCH / f"qat-{key}.onnx", SCRATCH / f"checkpoint-qat-{key}"
    facts = halftone("train", MODELS / "resnet20.onnx", "-o", out, "--data", data / "train", "--preprocess", preprocess_file(CIFAR),
                     "--limit", images, "--weights", w, "--activations", a, "--epochs", epochs, "--seed", 0, "--threads", 2,
                     "--checkpoint", kept, "--resume", *options)
    shutil.rmtree(kept, ignore_errors=True)
    X, Y = labelled(data / "test", CIFAR)
    speed = sum(e["images_per_second"] for e in facts["epochs"]) / len(facts["epochs"])
    return dict(top1=100 * correct(out, X, Y) / len(Y), seconds=images * epochs / speed, epochs=epochs, images=images, speed=speed)


def main():
    wanted = sys.argv[1:]
    X, Y = labelled(unpacked("cifar10.tar.xz") / "test", CIFAR)
    before = rows.get("float", lambda: 100 * correct(MODELS / "resnet20.onnx", X, Y) / len(Y))
    lines = []
    for name, w, a, epochs, images, options, limit in ROWS:
        if wanted and not any(word in name for word in wanted):
            continue
        r = rows.get(name, lambda: row(name, w, a, epochs, images, options))
        lines.append(f"| {name} | {r['epochs']} x {r['images']} | {r['top1']:.2f} | {before - r['top1']:.2f} | {limit or ''} | "
                     f"{r['seconds'] / 60:.0f} | {r['speed']:.0f} |")
    print(f"ResNet-20, float {before:.2f}\n\n| row | epochs x images | top-1 | drop | at most | minutes | images/s |\n|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

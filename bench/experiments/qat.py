#!/usr/bin/env python3
"""The tables of docs/results/qat.md: training with quantization, judged by onnxruntime.

    .venv/bin/python bench/experiments/qat.py            # all rows; finished ones are kept, a stopped one goes on
    .venv/bin/python bench/experiments/qat.py "2/2"      # rows whose name contains the word

EPOCHS=0.5 scales every row's epochs and LIMIT=20000 its images: for a machine or a sitting that is too short. THREADS=1
trains on one thread, so that two rows can run beside each other. What was run is in the table.
"""
import os, shutil, sys
from typing import NamedTuple

from judge import CIFAR, IMAGENET, MODELS, SCRATCH, SHARED, Rows, correct, halftone, halves, labelled, preprocess_file, unpacked

SCALE = float(os.environ.get("EPOCHS", 1))
LIMIT = int(os.environ.get("LIMIT", 50000))
THREADS = int(os.environ.get("THREADS", 2))


class Row(NamedTuple):
    name: str
    bits: tuple  # of weights, of activations
    epochs: int
    images: int
    options: list
    limit: float = None  # largest drop
    seeds: tuple = (0,)
    network: str = "resnet20"


DISTILL = ["--guide", "distill"]
# The float network's outputs alone, BatchNormalization folded: near the float network, labels lead away from it.
ALONE = DISTILL + ["--label-weight", 0, "--batch-norm", "fold", "--augment", "none"]
PREFIX = ["--guide", "block-replacement"]
FAT = ["--quantizer", "fat"]
SCALAR = FAT + ["--per-tensor"]
# Nothing moves: what min-max calibration of the same granularity gives.
UNTRAINED = ["--learning-rate", 1e-12, "--start", "minmax"]


def allocated(average):
    """QBitOpt under these averages."""
    return ["--allocate", "qbitopt", "--average-bits", average, "--average-activation-bits", average]


VARIANTS = {"scalar, symmetric": SCALAR + ["--symmetric"], "scalar": SCALAR, "channels, symmetric": FAT + ["--symmetric"],
            "channels": FAT, "channels, pointwise": FAT + ["--pointwise"]}
ROWS = [
    Row("4/4 lsq plain", (4, 4), 5, LIMIT, []),
    Row("4/4 lsq distilled", (4, 4), 5, LIMIT, DISTILL),
    Row("4/4 lsq distilled, no labels", (4, 4), 5, LIMIT, ALONE, 0.5),
    Row("3/3 lsq distilled, no labels", (3, 3), 8, LIMIT, ALONE, 1.2),
    Row("2/2 lsq plain", (2, 2), 10, LIMIT, []),
    Row("2/2 lsq distilled, bits lowered", (2, 2), 10, LIMIT, DISTILL + ["--lower-bits", "4,3"], 3.5),
    Row("2/2 block replacement", (2, 2), 10, LIMIT, PREFIX),
    Row("2/2 block replacement, bits lowered", (2, 2), 10, LIMIT, PREFIX + ["--lower-bits", "4,3"]),
    Row("3/3 block replacement", (3, 3), 8, LIMIT, PREFIX),
    Row("8/8 fat scalar", (8, 8), 8, 5000, SCALAR, 0.3),
] + [Row(f"4/4 fat {name}", (4, 4), 8, 5000, options, 1.5 if "pointwise" in name else None) for name, options in VARIANTS.items()] + [
    Row(f"4/4 untrained {name}", (4, 4), 1, 5000, options + UNTRAINED) for name, options in VARIANTS.items() if "pointwise" not in name
] + [Row(f"arms {name}", (2, 2), epochs, 20000, options, None, (0, 1, 2)) for name, epochs, options in (
    ("lsq", 3, []), ("distilled", 3, DISTILL), ("distilled, the time of prefix", 5, DISTILL), ("prefix", 3, PREFIX),
    ("single", 3, PREFIX + ["--mix", "single"]), ("features", 3, ["--guide", "features"]))] + [
    Row("lite0 8/8 fat", (8, 8), 8, 250, FAT + ["--batch", 25], 1.0, (0,), "lite0"),
] + [Row(f"averages {name}", bits, 8, LIMIT, options) for name, bits, options in (  # docs/results/mixed-precision.md
    ("3/3 uniform", (3, 3), []), ("3/3 qbitopt", (3, 3), allocated(3)), ("2.5/2.5 qbitopt", (3, 3), allocated(2.5)), ("2/2 uniform", (2, 2), []))]
rows = Rows("qat")


def trained(row, seed, model, data, options, out):
    kept = SCRATCH / f"checkpoint-{out.stem}"
    facts = halftone("train", model, "-o", out, "--data", data, "--limit", row.images, "--weights", row.bits[0], "--activations",
                     row.bits[1], "--epochs", max(1, round(row.epochs * SCALE)), "--seed", seed, "--threads", THREADS, "--checkpoint", kept,
                     "--resume", *row.options, *options)
    shutil.rmtree(kept, ignore_errors=True)
    return facts


def measured(row, seed):
    """Top-1 of the file, and what the training took."""
    key = f"{row.name}-{SCALE:g}-{LIMIT}".replace(" ", "-").replace("/", "").replace(",", "")
    right = total = 0
    if row.network == "lite0":  # trained on one half of the samples, tested on the other, both ways
        both = halves()
        for k in (0, 1):
            out = SCRATCH / f"qat-{key}-{seed}-half{k}.onnx"
            facts = trained(row, seed, MODELS / "efficientnet-lite0.onnx", both[k],
                            ["--preprocess", preprocess_file(IMAGENET), "--classes", SHARED / "data/imagenet-classes.tsv"], out)
            X, Y = labelled(both[1 - k], IMAGENET)
            right, total = right + correct(out, X, Y), total + len(Y)
    else:
        data, out = unpacked("cifar10.tar.xz"), SCRATCH / f"qat-{key}-{seed}.onnx"
        facts = trained(row, seed, MODELS / "resnet20.onnx", data / "train", ["--preprocess", preprocess_file(CIFAR)], out)
        X, Y = labelled(data / "test", CIFAR)
        right, total = correct(out, X, Y), len(Y)
    speed = sum(e["images_per_second"] for e in facts["epochs"]) / len(facts["epochs"])
    epochs = len(facts["epochs"])
    return dict(top1=100 * right / total, seconds=row.images * epochs / speed, epochs=epochs, images=row.images, speed=speed, threads=THREADS)


def float_top1(network):
    if network == "lite0":
        sets, model = [labelled(half, IMAGENET) for half in halves()], "efficientnet-lite0.onnx"
    else:
        sets, model = [labelled(unpacked("cifar10.tar.xz") / "test", CIFAR)], "resnet20.onnx"
    return rows.get(f"{network} float", lambda: 100 * sum(correct(MODELS / model, X, Y) for X, Y in sets) / sum(len(Y) for _, Y in sets))


def main():
    wanted, lines = sys.argv[1:], []
    for row in ROWS:
        if wanted and not any(word in row.name for word in wanted):
            continue
        cut = "" if SCALE == 1 and LIMIT == 50000 else f", {SCALE:g} of its epochs, at most {LIMIT} images"
        results = [rows.get(f"{row.name}{cut} seed {seed}", lambda: measured(row, seed)) for seed in row.seeds]
        top1 = [r["top1"] for r in results]
        mean, first = sum(top1) / len(top1), results[0]
        spread = f" ({min(top1):.2f} to {max(top1):.2f}, {len(top1)} seeds)" if len(top1) > 1 else ""
        lines.append(f"| {row.name} | {first['epochs']} x {first['images']} | {mean:.2f}{spread} | {float_top1(row.network) - mean:.2f} | "
                     f"{row.limit or ''} | {first['seconds'] / 60:.1f} | {first['speed']:.0f} | {first.get('threads', 2)} |")
    print("| row | epochs x images | top-1 | drop | at most | minutes | images/s | threads |\n|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

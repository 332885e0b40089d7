#!/usr/bin/env python3
"""The table of docs/results/ptq.md: accuracy of post-training quantization below 8 bits, judged by onnxruntime.

    .venv/bin/python bench/experiments/ptq.py            # all rows; finished ones are kept and not run again
    .venv/bin/python bench/experiments/ptq.py resnet20   # rows whose name contains the word
"""
import shutil, sys

from judge import CIFAR, IMAGENET, MODELS, SCRATCH, Rows, correct, halftone, halves, labelled, preprocess_file, unpacked

SEEDS3 = (0, 1, 2)
ROWS = [  # network, weight bits, activation bits, method, seeds, largest drop
    ("resnet20", 8, 8, "auto", (0,), 0.1),
    ("resnet20", 4, 8, "qdrop", (0,), 0.3),
    ("resnet20", 4, 4, "qdrop", SEEDS3, 1.0),
    ("resnet20", 3, 3, "qdrop", SEEDS3, 3.5),
    ("resnet20", 2, 4, "qdrop", (0,), 4.0),
    ("resnet56", 4, 4, "qdrop", (0,), 1.0),
    ("lite0", 8, 8, "auto", (0,), 1.0),
    ("lite0", 4, 8, "qdrop", (0,), 4.0),
    ("resnet20", 4, 4, "brecq", (0,), None),
    ("resnet20", 3, 3, "brecq", (0,), None),
    ("resnet20", 2, 4, "brecq", (0,), None),
    ("resnet20", 4, 4, "adaround", (0,), None),
    ("resnet20", 3, 3, "adaround", (0,), None),
    ("resnet20", 2, 4, "adaround", (0,), None),
    ("resnet20", 4, 4, "mse", (0,), None),
    ("resnet20", 3, 3, "mse", (0,), None),
    ("resnet20", 2, 4, "mse", (0,), None),
]
rows = Rows("ptq")


def cifar_row(network, w, a, method, seed):
    data = unpacked("cifar10.tar.xz")
    name = f"{network}-w{w}a{a}-{method}-{seed}"
    out, kept = SCRATCH / f"{name}.onnx", SCRATCH / f"checkpoint-{name}"
    facts = halftone("quantize", MODELS / f"{network}.onnx", "-o", out, "--data", data / "train", "--preprocess",
                     preprocess_file(CIFAR), "--limit", 1024, "--weights", w, "--activations", a, "--method", method,
                     "--seed", seed, "--checkpoint", kept, "--resume")
    shutil.rmtree(kept, ignore_errors=True)
    X, Y = labelled(data / "test", CIFAR)
    return dict(top1=100 * correct(out, X, Y) / len(Y), seconds=facts["wall_seconds"], peak=facts["peak_bytes"], bytes=facts["bytes_after"])


def lite0_row(w, a, method, seed):
    """Calibrated on one half of the samples, tested on the other, both ways."""
    classes, right, total, seconds, peak = MODELS.parent / "data/imagenet-classes.tsv", 0, 0, 0, 0
    both = halves()
    for k in (0, 1):
        name = f"lite0-w{w}a{a}-{method}-{seed}-half{k}"
        out, kept = SCRATCH / f"{name}.onnx", SCRATCH / f"checkpoint-{name}"
        facts = halftone("quantize", MODELS / "efficientnet-lite0.onnx", "-o", out, "--data", both[k], "--classes", classes,
                         "--preprocess", preprocess_file(IMAGENET), "--weights", w, "--activations", a, "--method", method,
                         "--seed", seed, "--checkpoint", kept, "--resume")
        shutil.rmtree(kept, ignore_errors=True)
        X, Y = labelled(both[1 - k], IMAGENET)
        right, total = right + correct(out, X, Y), total + len(Y)
        seconds, peak = seconds + facts["wall_seconds"], max(peak, facts["peak_bytes"])
    return dict(top1=100 * right / total, seconds=seconds, peak=peak, bytes=facts["bytes_after"])


def measured(network, w, a, method, seed):
    key = f"{network} {w}/{a} {method} seed {seed}"
    return rows.get(key, lambda: lite0_row(w, a, method, seed) if network == "lite0" else cifar_row(network, w, a, method, seed))


def float_top1(network):
    if network != "lite0":
        X, Y = labelled(unpacked("cifar10.tar.xz") / "test", CIFAR)
        return rows.get(f"{network} float", lambda: 100 * correct(MODELS / f"{network}.onnx", X, Y) / len(Y))
    sets = [labelled(half, IMAGENET) for half in halves()]
    return rows.get("lite0 float", lambda: 100 * sum(correct(MODELS / "efficientnet-lite0.onnx", X, Y) for X, Y in sets) / sum(len(Y) for _, Y in sets))


def main():
    wanted = sys.argv[1:]
    lines = []
    for network, w, a, method, seeds, limit in ROWS:
        label = f"{network} {w}/{a} {method}"
        if wanted and not any(word in label for word in wanted):
            continue
        plain = measured(network, w, a, "minmax", 0)
        results = [measured(network, w, a, method, seed) for seed in seeds]
        top1 = [r["top1"] for r in results]
        before, mean = float_top1(network), sum(top1) / len(top1)
        spread = f" ({min(top1):.2f}-{max(top1):.2f}, {len(top1)} seeds)" if len(top1) > 1 else ""
        lines.append(f"| {network} | {w}/{a} | {method} | {before:.2f} | {plain['top1']:.2f} | {mean:.2f}{spread} | {before - mean:.2f} | "
                     f"{'' if limit is None else limit} | {results[0]['seconds']:.0f} | {results[0]['peak'] / 1e6:.0f} |")
    print("| network | bits | method | float | min-max | top-1 | drop | at most | seconds | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

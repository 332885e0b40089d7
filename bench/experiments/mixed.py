#!/usr/bin/env python3
"""The table of docs/results/mixed-precision.md: plans of equal size, quantized alike, judged by onnxruntime.

    .venv/bin/python bench/experiments/mixed.py            # all rows; finished ones are kept and not run again
    .venv/bin/python bench/experiments/mixed.py resnet20   # rows whose name contains the word
"""
import shutil, sys

from judge import CIFAR, IMAGENET, MODELS, SCRATCH, Rows, correct, halftone, halves, labelled, preprocess_file, unpacked

SEEDS3 = (0, 1, 2)
PLANS = {  # name: options of allocate; None: the same bits everywhere
    "uniform": None,
    "projection": ("--method", "projection"),
    "ompq linear": ("--method", "ompq", "--utility", "linear"),
    "ompq noise": ("--method", "ompq", "--utility", "noise"),
    "kl": ("--method", "kl"),
    "fisher": ("--method", "fisher"),
}
ROWS = [  # network, average weight bits, plan, method afterwards, seeds; activations have 8 bits
    *(("resnet20", 3, plan, "qdrop", SEEDS3) for plan in PLANS if plan != "fisher"),
    *(("resnet20", 4, plan, "qdrop", (0,)) for plan in PLANS if plan != "fisher"),
    *(("resnet56", 3, plan, "qdrop", (0,)) for plan in ("uniform", "ompq noise", "kl")),
    *(("lite0", 4, plan, "qdrop", (0,)) for plan in ("uniform", "kl")),
    *(("resnet20", 3, plan, "mse", (0,)) for plan in PLANS),
]
rows = Rows("mixed")


def model_of(network):
    return MODELS / ("efficientnet-lite0.onnx" if network == "lite0" else f"{network}.onnx")


def quantized(network, bits, plan, method, seed, data, name):
    """Allocates and quantizes on `data`; the written file and the facts of both."""
    out, kept, path = SCRATCH / f"{name}.onnx", SCRATCH / f"checkpoint-{name}", SCRATCH / f"{name}.json"
    common = ("--seed", seed, *data)
    allocated, how = {}, ("--weights", bits)
    if PLANS[plan]:
        allocated = halftone("allocate", model_of(network), "-o", path, "--average-bits", bits, "--limit", 256, *PLANS[plan], *common)
        how = ("--plan", path)
    facts = halftone("quantize", model_of(network), "-o", out, "--method", method, *how, *common, "--checkpoint", kept, "--resume")
    shutil.rmtree(kept, ignore_errors=True)
    widths = [s["bits"] for s in facts["sites"] if s["kind"] == "weight"]
    return out, dict(bits=widths, average=allocated.get("average_weight_bits", bits), allocate_seconds=allocated.get("wall_seconds", 0),
                     seconds=facts["wall_seconds"], bytes=facts["bytes_after"])


def cifar_row(network, bits, plan, method, seed):
    data = unpacked("cifar10.tar.xz")
    name = f"{network}-{bits}-{plan.replace(' ', '-')}-{method}-{seed}"
    out, facts = quantized(network, bits, plan, method, seed, ("--data", data / "train", "--preprocess", preprocess_file(CIFAR)), name)
    X, Y = labelled(data / "test", CIFAR)
    return dict(facts, top1=100 * correct(out, X, Y) / len(Y))


def lite0_row(bits, plan, method, seed):
    """Allocated and calibrated on one half of the samples, tested on the other, both ways."""
    right, total, facts = 0, 0, {}
    both = halves()
    for k in (0, 1):
        data = ("--data", both[k], "--classes", MODELS.parent / "data/imagenet-classes.tsv", "--preprocess", preprocess_file(IMAGENET))
        out, facts = quantized("lite0", bits, plan, method, seed, data, f"lite0-{bits}-{plan.replace(' ', '-')}-{method}-{seed}-half{k}")
        X, Y = labelled(both[1 - k], IMAGENET)
        right, total = right + correct(out, X, Y), total + len(Y)
    return dict(facts, top1=100 * right / total)


def measured(network, bits, plan, method, seed):
    key = f"{network} {bits} {plan} {method} seed {seed}"
    return rows.get(key, lambda: lite0_row(bits, plan, method, seed) if network == "lite0" else cifar_row(network, bits, plan, method, seed))


def main():
    wanted, lines = sys.argv[1:], []
    for network, bits, plan, method, seeds in ROWS:
        if wanted and not any(word in f"{network} {bits} {plan} {method}" for word in wanted):
            continue
        results = [measured(network, bits, plan, method, seed) for seed in seeds]
        top1 = [r["top1"] for r in results]
        spread = f" ({min(top1):.2f} to {max(top1):.2f}, seeds {', '.join(map(str, seeds))})" if len(top1) > 1 else ""
        first = results[0]
        lines.append(f"| {network} | {bits} | {plan} | {method} | {sum(top1) / len(top1):.2f}{spread} | {first['average']:.3f} | "
                     f"{first['allocate_seconds']:.0f} | {first['seconds']:.0f} | {' '.join(map(str, first['bits']))} |")
    print("| network | bits | plan | then | top-1 | average | allocate s | quantize s | bits by layer |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

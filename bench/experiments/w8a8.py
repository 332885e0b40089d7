#!/usr/bin/env python3
"""The table of docs/results/w8a8.md: 8-bit files under onnxruntime, exact and at its default options.

    .venv/bin/python bench/experiments/w8a8.py
"""
from judge import CIFAR, IMAGENET, MODELS, SCRATCH, correct, halftone, labelled, preprocess_file, unpacked


def row(name, model, calibration, test, preprocess, *options):
    out = SCRATCH / f"{name}-w8a8.onnx"
    facts = halftone("quantize", MODELS / model, "-o", out, "--data", calibration, "--preprocess", preprocess_file(preprocess), "--seed", 1, *options)
    X, Y = labelled(test, preprocess)
    top1 = [100 * correct(path, X, Y, exact) / len(Y) for path, exact in ((MODELS / model, True), (out, True), (out, False))]
    size = facts["bytes_after"] / facts["bytes_before"]
    print(f"| {name} | {len(Y):,} | " + " | ".join(f"{t:.2f}" for t in top1) + f" | x{size:.2f} | {facts['wall_seconds']:.1f} |", flush=True)


def main():
    print("| network | test images | float | exact | default options | size | seconds |\n|---|---|---|---|---|---|---|")
    cifar = unpacked("cifar10.tar.xz")
    row("ResNet-20", "resnet20.onnx", cifar / "train", cifar / "test", CIFAR)
    row("ResNet-56", "resnet56.onnx", cifar / "train", cifar / "test", CIFAR)
    samples = next(p for p in unpacked("imagenet-samples.tar").iterdir() if p.is_dir())
    row("EfficientNet-lite0", "efficientnet-lite0.onnx", samples, samples, IMAGENET, "--classes", MODELS.parent / "data/imagenet-classes.tsv")


if __name__ == "__main__":
    main()

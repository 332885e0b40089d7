#!/usr/bin/env python3
"""The tables "Exactness" of docs/results/runtime.md: the native runtime, the simulation (LibTorch, float) and onnxruntime's exact mode on
the same files and images.

    .venv/bin/python bench/experiments/native_exactness.py
"""
import numpy as np

from judge import CIFAR, IMAGENET, MODELS, SCRATCH, halftone, labelled, outputs, preprocess_file, unpacked


def row(name, model, calibration, test, preprocess, *options):
    out = SCRATCH / f"exact-{name.replace(' ', '-').replace('/', '-')}.onnx"
    halftone("quantize", MODELS / model, "-o", out, "--data", calibration, "--preprocess", preprocess_file(preprocess), *options)
    X, Y = labelled(test, preprocess)
    results = {}
    for engine in ("native", "libtorch"):
        path = SCRATCH / f"{engine}.npy"
        # Without --preprocess: the file carries it.
        halftone("eval", out, "--data", test, "--engine", engine, "--outputs", path)
        results[engine] = np.load(path)
    native, simulated = results["native"], results["libtorch"]
    theirs = outputs(out, X)
    same = lambda a, b: f"{(a.argmax(1) == b.argmax(1)).sum():,} of {len(a):,}"
    print(f"| {name} | {100 * (native.argmax(1) == Y).mean():.2f} | {same(native, simulated)} | {np.abs(native - simulated).max():.1e} "
          f"| {same(native, theirs)} | {100 * (native == theirs).mean():.1f} % |", flush=True)


def main():
    print("| network | top-1 % | same class as the simulation | largest difference of logits | same class as onnxruntime | logits equal bit for bit |")
    print("|---|---|---|---|---|---|")
    cifar = unpacked("cifar10.tar.xz")
    for bits in (8, 4, 2):
        row(f"ResNet-20 {bits}/{bits}", "resnet20.onnx", cifar / "train", cifar / "test", CIFAR, "--method", "mse", "--limit", 512,
            "--weights", bits, "--activations", bits)
    samples = next(p for p in unpacked("imagenet-samples.tar").iterdir() if p.is_dir())
    row("EfficientNet-lite0 8/8", "efficientnet-lite0.onnx", samples, samples, IMAGENET, "--classes", MODELS.parent / "data/imagenet-classes.tsv")


if __name__ == "__main__":
    main()

"""quantize against onnxruntime's quantize_static (QDQ, per channel, min-max), file to file on the same images, in turn.

    bench/against_quantize_static.py build/release/halftone [MODEL.onnx IMAGES PREPROCESS.json]

By default ResNet-20 and CIFAR images of ../shared (unpacked into a temporary folder). Prints the ratios of time, size and
inference time, and quantize's peak memory at 128, 512 and 2,048 images; exit 1 where a limit is passed.
"""
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
ROUNDS = 5
LIMITS = {"time": 0.5, "inference": 1.05, "memory": 1.15}


def load(path, preprocess):
    from PIL import Image
    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    return ((pixels - np.float32(preprocess["mean"])) / np.float32(preprocess["std"])).transpose(2, 0, 1)[None]


def quantize_static(model, out, images, preprocess):
    """What a user of onnxruntime runs; called in a process of its own."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    how = json.loads(pathlib.Path(preprocess).read_text())
    name = onnx.load(model).graph.input[0].name
    files = iter(sorted(p for p in pathlib.Path(images).rglob("*.*")))

    class Reader(CalibrationDataReader):
        def get_next(self):
            file = next(files, None)
            return None if file is None else {name: load(file, how)}

    quant_pre_process(model, out + ".pre", skip_symbolic_shape=True)
    static(out + ".pre", out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
           weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)


def timed(command):
    """(seconds, peak bytes) of one process."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


def ours(binary, model, out, images, preprocess, limit):
    return timed([binary, "quantize", model, "-o", out, "--data", images, "--preprocess", preprocess, "--method", "minmax",
                  "--seed", 1, "--limit", limit])


def inference_ratio(first, second):
    """Time of the first file over that of the second under onnxruntime at its default options, batch 32, in turn."""
    import onnxruntime as ort
    sessions = [ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (first, second)]
    batch = np.random.default_rng(1).standard_normal((32, 3, 32, 32), np.float32)

    def seconds(session):
        begin = time.perf_counter()
        for _ in range(10):
            session.run(None, {session.get_inputs()[0].name: batch})
        return time.perf_counter() - begin

    for session in sessions:
        seconds(session)
    return statistics.median(seconds(sessions[0]) / seconds(sessions[1]) for _ in range(21))


def defaults(folder):
    if not SHARED.is_dir():
        print("quantize_static: skipped, ../shared is not there")
        sys.exit(0)
    subprocess.run(["tar", "xf", SHARED / "data/cifar10.tar.xz", "-C", folder], check=True)
    preprocess = folder / "cifar10.json"
    preprocess.write_text(json.dumps({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}))
    return SHARED / "models/resnet20.onnx", folder / "train", preprocess


def sample(images, count, folder):
    files = sorted(p for p in images.rglob("*.*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for file in random.Random(3).sample(files, min(count, len(files))):
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / file.parent.name)
    return folder


def main(binary, *given):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        model, images, preprocess = map(pathlib.Path, given) if given else defaults(folder)
        some, our_file, their_file = sample(images, 512, folder / "512"), folder / "ours.onnx", folder / "theirs.onnx"
        ratios, seconds = [], []
        for _ in range(ROUNDS):
            theirs, _ = timed([sys.executable, __file__, "--static", model, their_file, some, preprocess])
            seconds.append(ours(binary, model, our_file, some, preprocess, 512)[0])
            ratios.append(seconds[-1] / theirs)
        found = {"time": statistics.median(ratios)}
        print(f"quantize, 512 images: x{found['time']:.2f} of quantize_static's time (rounds {[round(r, 2) for r in ratios]}, "
              f"limit x{LIMITS['time']}), {statistics.median(seconds):.2f} s")
        print(f"size: {our_file.stat().st_size} bytes, x{our_file.stat().st_size / their_file.stat().st_size:.2f} of quantize_static's")
        peaks = {n: ours(binary, model, our_file, images, preprocess, n)[1] for n in (128, 512, 2048)}
        found["memory"] = peaks[2048] / peaks[512]
        print("peak memory: " + ", ".join(f"{n} images {peak / 1e6:.0f} MB" for n, peak in peaks.items()) +
              f"; 2,048 against 512 x{found['memory']:.2f} (limit x{LIMITS['memory']})")
        found["inference"] = inference_ratio(our_file, their_file)
        print(f"inference under onnxruntime: x{found['inference']:.2f} of quantize_static's file (limit x{LIMITS['inference']})")
        return any(found[k] > limit for k, limit in LIMITS.items())


if __name__ == "__main__":
    if sys.argv[1] == "--static":
        quantize_static(*sys.argv[2:])
    else:
        sys.exit(main(*sys.argv[1:]))

"""The native runtime against onnxruntime: one process, one thread, the two in turn. Prints the tables of docs/results/runtime.md.

    bench/native_speed.py build/release            # libhalftone_runtime.so and halftone lie there
"""
import ctypes, json, pathlib, statistics, subprocess, sys, tempfile, time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h

ROOT = pathlib.Path(__file__).resolve().parents[1]
LONG, SHORT = 10, 2  # layers of two chains: the difference is free of what stands at their ends


class Native:
    """A session of the C interface (halftone/runtime/c_api.h)."""

    def __init__(self, library, path):
        self.lib = library
        self.lib.halftone_open.restype = ctypes.c_void_p
        self.lib.halftone_error.restype = ctypes.c_char_p
        message = ctypes.create_string_buffer(1000)
        self.session = ctypes.c_void_p(self.lib.halftone_open(str(path).encode(), 1, message, 1000))
        if not self.session:
            raise RuntimeError(message.value.decode())
        dims = (ctypes.c_int64 * 8)()
        rank = self.lib.halftone_shape(self.session, -1, dims, 8)
        self.output = np.zeros(dims[:rank], np.float32)

    def run(self, x):
        inputs, outputs = (ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(self.output.ctypes.data)
        if not self.lib.halftone_run(self.session, inputs, outputs):
            raise RuntimeError(self.lib.halftone_error(self.session).decode())
        return self.output


class Onnxruntime:
    def __init__(self, path, exact):
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 3, 1
        if exact:
            options.add_session_config_entry("session.x64quantprecision", "1")
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def run(self, x):
        return self.session.run(None, {self.name: x})[0]


def chain(path, weights, activation_bits, layers=LONG, channels=64, size=56):
    """So many 3x3 convolutions with ReLU, weights drawn from `weights`, activations of so many bits."""
    rng, nodes, inits, top = np.random.default_rng(1), [], [], 2**activation_bits - 1

    def const(name, value):
        inits.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def quantize(value, scale):
        s, z = const(f"{value}_s", np.float32(scale)), const(f"{value}_z", np.uint8(0))
        nodes.append(h.make_node("QuantizeLinear", [value, s, z], [f"{value}_q"]))
        codes = f"{value}_q"
        if activation_bits < 8:
            nodes.append(h.make_node("Clip", [codes, const(f"{value}_l", np.uint8(0)), const(f"{value}_h", np.uint8(top))], [f"{value}_c"]))
            codes = f"{value}_c"
        nodes.append(h.make_node("DequantizeLinear", [codes, s, z], [f"{value}_d"]))
        return f"{value}_d", scale

    value, scale = quantize("x", 1 / top)
    for i in range(layers):
        w = rng.choice(weights, (channels, channels, 3, 3)).astype(np.int8)
        const(f"w{i}", w), const(f"ws{i}", np.full(channels, 0.01, np.float32)), const(f"wz{i}", np.zeros(channels, np.int8))
        nodes.append(h.make_node("DequantizeLinear", [f"w{i}", f"ws{i}", f"wz{i}"], [f"wd{i}"], axis=0))
        nodes.append(h.make_node("Conv", [value, f"wd{i}"], [f"c{i}"], pads=[1, 1, 1, 1]))
        nodes.append(h.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        spread = scale * 0.01 * top / 2 * float(np.std(weights)) * (9 * channels) ** 0.5  # of the sums
        value, scale = quantize(f"r{i}", 2 * spread / top)
    shape = [1, channels, size, size]
    graph = h.make_graph(nodes, "chain", [h.make_tensor_value_info("x", T.FLOAT, shape)],
                         [h.make_tensor_value_info(value, T.FLOAT, shape)], inits)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


def times(runners, x, seconds):
    """Seconds of a run of each, in turn: medians and minima."""
    taken, end = [[] for _ in runners], time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[0]) < 7:
        for runner, list_ in zip(runners, taken):
            before = time.thread_time()
            runner.run(x)
            list_.append(time.thread_time() - before)
    return [statistics.median(t[2:]) for t in taken], [min(t) for t in taken]


def layers(library, folder):
    rng = np.arange
    schemes = [  # name, levels of a weight, bits of an activation, bars against onnxruntime's default and exact mode
        ("W8A8, any weights", rng(-127, 128), 8, 0.80, 1.20), ("W8A8 within the pair bound", rng(-64, 65), 8, 1.05, 1.55),
        ("W6A8", rng(-32, 32), 8, 1.30, 1.9), ("W4A8", rng(-8, 8), 8, 1.30, 1.9), ("ternary A8", rng(-1, 2), 8, 1.30, 1.9),
        ("W4A4", rng(-8, 8), 4, 1.40, 2.0), ("W2A4", rng(-2, 2), 4, 1.40, 2.0), ("ternary A4", rng(-1, 2), 4, 1.8, 2.7),
        ("W2A2", rng(-2, 2), 2, 2.2, 3.2), ("ternary A2", rng(-1, 2), 2, 2.5, 3.7), ("W1A2", np.array([-1, 1]), 2, 4.0, 5.9),
        ("W1A1", np.array([-1, 1]), 1, 4.5, 6.7)]
    references = [chain(folder / f"reference{n}.onnx", rng(-64, 65), 8, n) for n in (LONG, SHORT)]
    others = [Onnxruntime(path, exact) for exact in (False, True) for path in references]
    x = np.random.default_rng(2).random((1, 64, 56, 56), np.float32)
    macs = 64 * 64 * 9 * 56 * 56
    print("\none layer 3x3, 64 -> 64, 56x56, against onnxruntime's W8A8 (weights within 64)\n")
    print("| scheme | kernel | GMAC/s | against default | bar | against exact | bar | bytes equal onnxruntime's exact mode |\n|---|---|---|---|---|---|---|---|")
    for name, levels, bits, bar, exact_bar in schemes:
        paths = [chain(folder / f"chain{n}.onnx", levels, bits, n) for n in (LONG, SHORT)]
        natives = [Native(library, path) for path in paths]
        same = all(np.array_equal(n.run(x), Onnxruntime(path, True).run(x)) for n, path in zip(natives, paths))
        medians, minima = times(natives + others, x, 5)
        layer = lambda t, i: (t[i] - t[i + 1]) / (LONG - SHORT)
        (ours, default, exact) = (layer(minima, i) for i in (0, 2, 4))  # the least disturbed run of each
        print(f"| {name} | {kernels(folder, paths[0])} | {macs / ours * 1e-9:.0f} | {default / ours:.2f}x | {bar:.2f}x | {exact / ours:.2f}x "
              f"| {exact_bar:.2f}x | {'yes' if same else 'NO'} |", flush=True)


def kernels(folder, path):
    subprocess.run([BINARY, "inspect", path, "--target", "native", "--json", folder / "facts.json"], check=True, capture_output=True)
    facts = json.loads((folder / "facts.json").read_text())
    return ", ".join(sorted({l["kernel"] for l in facts["native_layers"] if l["op"] == "Conv"}))


def peak_megabytes(code):
    """Resident memory of a process that runs `code` ten times, above what it takes without."""
    common = f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r}); import native_speed as n, numpy as np, ctypes\n"
    ask = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"  # kB
    peaks = [int(subprocess.run([sys.executable, "-c", common + part + "\n" + ask], check=True, capture_output=True, text=True).stdout)
             for part in ("", code)]
    return (peaks[1] - peaks[0]) / 1024


def quantized_networks(folder):
    """ResNet-20 at three widths and EfficientNet-lite0, quantized here: what docs/results/runtime.md shows."""
    sys.path.insert(0, str(ROOT / "bench/experiments"))
    import judge
    judge.BINARY = BINARY

    def quantize(model, data, preprocess, bits, *options):
        out = folder / f"{model}-w{bits}a{bits}.onnx"
        judge.halftone("quantize", judge.MODELS / f"{model}.onnx", "-o", out, "--data", data, "--preprocess", judge.preprocess_file(preprocess),
                       "--weights", bits, "--activations", bits, *options)
        return out

    cifar = judge.unpacked("cifar10.tar.xz") / "train"
    resnet = {bits: quantize("resnet20", cifar, judge.CIFAR, bits, "--method", "mse", "--limit", 512) for bits in (8, 4, 2)}
    samples = next(p for p in judge.unpacked("imagenet-samples.tar").iterdir() if p.is_dir())
    lite = quantize("efficientnet-lite0", samples, judge.IMAGENET, 8, "--limit", 64, "--classes", judge.SHARED / "data/imagenet-classes.tsv")
    return [(f"ResNet-20 {bits}/{bits}", path, resnet[8]) for bits, path in resnet.items()] + [("EfficientNet-lite0 8/8", lite, lite)]


def networks(library, folder, files):
    print("\nwhole networks, one image, against onnxruntime on the W8A8 file\n")
    print("| network | time | onnxruntime's default / ours | exact / ours | memory, ours | memory, onnxruntime |\n|---|---|---|---|---|---|")
    for name, path, reference in files:
        native, default, exact = Native(library, path), Onnxruntime(reference, False), Onnxruntime(reference, True)
        shape = [d if isinstance(d, int) else 1 for d in default.session.get_inputs()[0].shape]
        x = np.random.default_rng(2).standard_normal(shape, np.float32)
        (ours, theirs, exactly), _ = times([native, default, exact], x, 8)
        run = f"x = np.zeros({shape}, np.float32)\nfor _ in range(10): r.run(x)"
        memory = [peak_megabytes(f"r = n.Native(ctypes.CDLL({str(LIBRARY)!r}), {str(path)!r})\n" + run),
                  peak_megabytes(f"r = n.Onnxruntime({str(reference)!r}, False)\n" + run)]
        print(f"| {name} | {ours * 1e3:.2f} ms | {theirs / ours:.2f}x | {exactly / ours:.2f}x | {memory[0]:.1f} MB | {memory[1]:.1f} MB |", flush=True)


def main(arguments):
    global BINARY, LIBRARY
    build = pathlib.Path(arguments[0]).resolve()
    BINARY, LIBRARY = build / "halftone", build / "libhalftone_runtime.so"
    library = ctypes.CDLL(str(LIBRARY))
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    simd = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if f in flags]
    print(f"CPU: {' '.join(simd) or 'no AVX2'}; onnxruntime {ort.__version__}; one thread; thread CPU time: layers by minima, networks by medians")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        layers(library, folder)
        # NAME=FILE,REFERENCE: quantized files, each with the W8A8 file that onnxruntime runs.
        files = [(n, *f.split(",")) for n, f in (a.split("=") for a in arguments[1:])]
        if files or (ROOT.parent / "shared").is_dir():
            networks(library, folder, files or quantized_networks(folder))
        else:
            print("whole networks: ../shared is not there, and no NAME=FILE,REFERENCE is given")


if __name__ == "__main__":
    main(sys.argv[1:])

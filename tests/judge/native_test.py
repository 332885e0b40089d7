"""The native runtime against onnxruntime, on the demo's digit classifier and on chains of convolutions."""
import ctypes
import json
import subprocess

import numpy as np
import onnx
import pytest
from conftest import BUILD, ROOT, facts, halftone, has_verb, run, session
from onnx import TensorProto as T
from onnx import helper as h


def native(path, images, folder, *options):
    np.save(folder / "x.npy", images)
    halftone("run", path, "--input", folder / "x.npy", "-o", folder / "y.npy", *options)
    return np.load(folder / "y.npy")


@pytest.fixture(scope="module", params=[8, 4, 2])
def quantized_digits(request, digits, tmp_path_factory):
    if not has_verb("quantize"):
        pytest.skip("this build has no quantize")
    model, data, preprocess = digits
    out = tmp_path_factory.mktemp("native") / f"{request.param}.onnx"
    halftone("quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess,
             "--weights", request.param, "--activations", request.param)
    return out


def test_gives_onnxruntimes_answers(quantized_digits, digit_images, tmp_path):
    ours = native(quantized_digits, digit_images[0], tmp_path)
    theirs = session(quantized_digits).run(None, {"image": digit_images[0]})[0]
    assert ours.shape == theirs.shape
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.995


def test_eval_by_the_native_engine_is_run(quantized_digits, digits, digit_images, tmp_path):
    ours = native(quantized_digits, digit_images[0], tmp_path)
    report = facts(tmp_path, "eval", quantized_digits, "--data", digits[1] / "test", "--engine", "native", "--outputs", tmp_path / "e.npy")
    assert np.array_equal(np.load(tmp_path / "e.npy"), ours)
    assert abs(report["top1"] - 100 * (ours.argmax(1) == digit_images[1]).mean()) < 1e-6


def both_engines(path, folder, *data):
    """Outputs of the native runtime and of the simulation in float."""
    for engine in ("native", "libtorch"):
        halftone("eval", path, *data, "--engine", engine, "--outputs", folder / f"{engine}.npy")
    return np.load(folder / "native.npy"), np.load(folder / "libtorch.npy")


def same_class(ours, theirs):
    """Whether every image has the same class, ties of the logits apart."""
    rows = np.arange(len(ours))
    return bool((ours[rows, theirs.argmax(1)] == ours.max(1)).all())


def test_gives_the_simulations_answers(quantized_digits, digits, tmp_path):
    ours, theirs = both_engines(quantized_digits, tmp_path, "--data", digits[1] / "test")
    assert same_class(ours, theirs) and np.abs(ours - theirs).max() < 1e-4 * np.ptp(theirs)


@pytest.fixture(scope="module")
def cifar_test(shared, tmp_path_factory):
    if not has_verb("quantize"):
        pytest.skip("this build has no quantize")
    folder = tmp_path_factory.mktemp("cifar")
    subprocess.run(["tar", "xf", shared / "data/cifar10.tar.xz", "-C", folder], check=True)
    preprocess = folder / "cifar.json"
    preprocess.write_text(json.dumps(dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])))
    return shared / "models/resnet20.onnx", folder, preprocess


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_gives_the_simulations_answers_on_every_image_of_cifar(cifar_test, tmp_path, bits):
    model, data, preprocess = cifar_test
    out = tmp_path / "q.onnx"
    halftone("quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--limit", 256, "--method", "mse",
             "--weights", bits, "--activations", bits)
    ours, theirs = both_engines(out, tmp_path, "--data", data / "test")
    assert len(ours) == 10_000 and same_class(ours, theirs)


def test_bench_tells_every_layer(quantized_digits, tmp_path):
    report = facts(tmp_path, "bench", quantized_digits, "--threads", 1, "--duration", 0.1)
    assert 0 < report["median_seconds"] < 1
    told = {layer["op"] for layer in report["layers"] if layer["macs"]}
    assert "Conv" in told and all(layer["kernel"] and layer["median_seconds"] >= 0 for layer in report["layers"])


def test_inspect_tells_kernels(quantized_digits, tmp_path):
    report = facts(tmp_path, "inspect", quantized_digits, "--target", "native")
    assert report["float_operators"] == []
    assert all(layer["reason"] for layer in report["native_layers"] if layer["op"] == "Conv")


def test_the_example_program_classifies(quantized_digits, digits, digit_images, tmp_path):
    image = sorted((digits[1] / "test").rglob("*.png"))[0]
    said = run(BUILD / "examples/embed/classify", quantized_digits, image).stdout
    ours = native(quantized_digits, digit_images[0][:1], tmp_path)
    assert said.startswith(f"class {ours[0].argmax()},")
    assert len((ROOT / "examples/embed/classify.cpp").read_text().splitlines()) < 60


def test_the_c_interface_is_c(quantized_digits):
    tool = BUILD / "tests/c_interface"
    assert run(tool, quantized_digits).stdout.split("\n")[:2] == ["input image of type 1", "output logits of type 1"]
    refused = run(tool, quantized_digits.parent / "none.onnx", check=False)
    assert refused.returncode == 1 and "none.onnx" in refused.stderr


def chain(path, weights, activation_bits, strides, groups=1):
    """Three convolutions 8 -> 8 -> 8 -> 8 of random weights, biases and scales, with every activation of so many bits."""
    rng, nodes, inits, top = np.random.default_rng(len(weights) + activation_bits), [], [], 2**activation_bits - 1

    def const(name, value):
        inits.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def quantize(value, scale, zero):
        s, z = const(f"{value}_s", np.float32(scale)), const(f"{value}_z", np.uint8(zero))
        nodes.append(h.make_node("QuantizeLinear", [value, s, z], [f"{value}_q"]))
        nodes.append(h.make_node("Clip", [f"{value}_q", const(f"{value}_l", np.uint8(0)), const(f"{value}_h", np.uint8(top))], [f"{value}_c"]))
        nodes.append(h.make_node("DequantizeLinear", [f"{value}_c", s, z], [f"{value}_d"]))
        return f"{value}_d", np.float32(scale)

    value, scale = quantize("x", 2 / top, top // 2)
    for i, stride in enumerate(strides):
        ws = rng.uniform(0.005, 0.02, 8).astype(np.float32)
        const(f"w{i}", rng.choice(weights, (8, 8 // groups, 3, 3)).astype(np.int8)), const(f"ws{i}", ws), const(f"wz{i}", np.zeros(8, np.int8))
        const(f"b{i}", rng.integers(-200, 200, 8).astype(np.int32)), const(f"bs{i}", scale * ws)
        nodes.append(h.make_node("DequantizeLinear", [f"w{i}", f"ws{i}", f"wz{i}"], [f"wd{i}"], axis=0))
        nodes.append(h.make_node("DequantizeLinear", [f"b{i}", f"bs{i}"], [f"bd{i}"], axis=0))
        nodes.append(h.make_node("Conv", [value, f"wd{i}", f"bd{i}"], [f"c{i}"], pads=[1, 1, 1, 1], strides=[stride, stride], group=groups))
        spread = scale * 0.012 * top / 2 * float(np.std(weights)) * (72 // groups) ** 0.5
        value, scale = quantize(f"c{i}", 4 * spread / top, rng.integers(top + 1))
    graph = h.make_graph(nodes, "chain", [h.make_tensor_value_info("x", T.FLOAT, ["n", 8, 11, 13])],
                         [h.make_tensor_value_info(value, T.FLOAT, None)], inits)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("weights,bits", [(range(-127, 128), 8), (range(-64, 65), 8), (range(-8, 8), 8), (range(-8, 8), 4), (range(-2, 2), 2), ([-1, 1], 1)])
def test_convolutions_give_the_bytes_of_onnxruntimes_exact_mode(tmp_path, weights, bits, groups):
    path = chain(tmp_path / "chain.onnx", list(weights), bits, [1, 2, 1], groups)
    x = np.random.default_rng(3).uniform(-1.2, 1.2, (20, 8, 11, 13)).astype(np.float32)
    judge = session(path)
    assert np.array_equal(native(path, x, tmp_path), judge.run(None, {"x": x})[0])


def test_the_c_interface_runs_and_says_what_is_wrong(tmp_path):
    library = ctypes.CDLL(str(BUILD / "libhalftone_runtime.so"))
    library.halftone_open.restype = ctypes.c_void_p
    message = ctypes.create_string_buffer(500)
    assert library.halftone_open(b"/nowhere.onnx", 1, message, 500) is None and b"/nowhere.onnx" in message.value
    path = chain(tmp_path / "chain.onnx", list(range(-8, 8)), 4, [1, 1])
    s = ctypes.c_void_p(library.halftone_open(str(path).encode(), 2, message, 500))
    dims = (ctypes.c_int64 * 4)()
    assert library.halftone_shape(s, 0, dims, 4) == 4 and list(dims) == [1, 8, 11, 13]
    assert library.halftone_type(s, -1) == T.FLOAT and library.halftone_shape(s, 5, dims, 4) == -1
    x = np.random.default_rng(3).uniform(-1, 1, (1, 8, 11, 13)).astype(np.float32)
    y = np.zeros((1, 8, 11, 13), np.float32)
    assert library.halftone_run(s, (ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(y.ctypes.data)) == 1
    assert np.array_equal(y, session(path).run(None, {"x": x})[0])
    library.halftone_close(s)


def test_what_cannot_be_read_is_refused_in_one_paragraph(tmp_path):
    path = chain(tmp_path / "chain.onnx", [-1, 1], 4, [1])
    np.save(tmp_path / "x.npy", np.zeros((2, 7, 11, 13), np.float32))
    result = halftone("run", path, "--input", tmp_path / "x.npy", "-o", tmp_path / "y.npy", check=False)
    assert result.returncode == 1 and "[n,8,11,13]" in result.stderr and "x.npy" in result.stderr
    assert not (tmp_path / "y.npy").exists()

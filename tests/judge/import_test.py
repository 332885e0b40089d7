"""Models that are quantized already, however they are written: onnxruntime on the original against ours."""
import json

import numpy as np
import onnx
import onnxruntime.quantization as ortq
import pytest
from conftest import facts, halftone, optimized_operators, session
from onnx import TensorProto, helper, numpy_helper

F = TensorProto.FLOAT
RNG = np.random.default_rng


def save(path, nodes, inputs, outputs, constants, opset=17, domains=()):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(n, F, s) for n, s in inputs],
                              [helper.make_tensor_value_info(n, F, s) for n, s in outputs],
                              [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset < 21 else 10), path)
    return path


def normal(*shape, seed=1, scale=1.0):
    return (scale * RNG(seed).standard_normal(shape)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Convolutions with a residual, pooling and a classifier, and 64 images as data."""
    folder = tmp_path_factory.mktemp("network")
    nodes = [helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4),
             helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
             helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv2", pads=[1] * 4),
             helper.make_node("Add", ["c2", "r1"], ["a"], name="add"),
             helper.make_node("Relu", ["a"], ["r2"], name="relu2"),
             helper.make_node("MaxPool", ["r2"], ["m"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
             helper.make_node("Conv", ["m", "w3", "b3"], ["c3"], name="conv3", group=8, pads=[1] * 4),
             helper.make_node("Clip", ["c3", "zero", "six"], ["r3"], name="relu6"),
             helper.make_node("GlobalAveragePool", ["r3"], ["p"], name="mean"),
             helper.make_node("Reshape", ["p", "shape"], ["f"], name="flatten"),
             helper.make_node("Gemm", ["f", "fc", "fb"], ["logits"], name="fc", transB=1)]
    constants = {"w1": normal(8, 3, 3, 3, seed=2, scale=0.3), "b1": normal(8, seed=3, scale=0.2),
                 "w2": normal(8, 8, 3, 3, seed=4, scale=0.2), "b2": normal(8, seed=5, scale=0.2),
                 "w3": normal(8, 1, 3, 3, seed=6, scale=0.5), "b3": normal(8, seed=7, scale=0.2),
                 "fc": normal(10, 8, seed=8), "fb": normal(10, seed=9), "zero": np.float32(0), "six": np.float32(6),
                 "shape": np.array([-1, 8], np.int64)}
    model = save(folder / "float.onnx", nodes, [("image", ["n", 3, 8, 8])], [("logits", ["n", 10])], constants)
    images = normal(64, 3, 8, 8, seed=10)
    np.savez(folder / "data.npz", image=images)
    return model, folder / "data.npz", images


class Reader(ortq.CalibrationDataReader):
    def __init__(self, images):
        self.batches = iter([{"image": images}])

    def get_next(self):
        return next(self.batches, None)


def by_onnxruntime(network, path, **options):
    ortq.quantize_static(str(network[0]), str(path), Reader(network[2]), **options)
    return path


STATIC = {
    "qdq": dict(quant_format=ortq.QuantFormat.QDQ, activation_type=ortq.QuantType.QUInt8, per_channel=True),
    "qdq-int8": dict(quant_format=ortq.QuantFormat.QDQ, activation_type=ortq.QuantType.QInt8),
    "qoperator": dict(quant_format=ortq.QuantFormat.QOperator, activation_type=ortq.QuantType.QUInt8),
    "qoperator-channels": dict(quant_format=ortq.QuantFormat.QOperator, activation_type=ortq.QuantType.QUInt8, per_channel=True),
    "qoperator-uint8": dict(quant_format=ortq.QuantFormat.QOperator, activation_type=ortq.QuantType.QUInt8,
                            weight_type=ortq.QuantType.QUInt8),
}


def outputs(path, images):
    feed = session(path).get_inputs()[0].name
    return session(path).run(None, {feed: images})[0]


def evaluated(path, data, folder):
    halftone("eval", path, "--data", data, "--outputs", folder / "y.npy")
    return np.load(folder / "y.npy")


def steps(a, b, step):
    """The share of elements that differ, and by how many steps of the output at most."""
    difference = np.abs(a - b).reshape(-1) / step
    return (difference > 1e-3).mean(), difference.max()


def last_scale(path):
    model = onnx.load(path)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return float(max(np.max(v) for n, v in constants.items() if n.endswith("logits_scale")))


def scales(path):
    """Scales of activations as they are read by Q nodes."""
    model = onnx.load(path)
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return sorted({float(constants[n.input[1]].reshape(-1)[0]) for n in model.graph.node if n.op_type == "QuantizeLinear"})


@pytest.mark.parametrize("name", STATIC)
def test_what_onnxruntime_quantized_runs_as_it_does_there(network, tmp_path, name):
    path = by_onnxruntime(network, tmp_path / "theirs.onnx", **STATIC[name])
    share, most = steps(evaluated(path, network[1], tmp_path), outputs(path, network[2]), last_scale(path))
    assert share < 0.05 and most < 1.01
    report = facts(tmp_path, "inspect", path)
    assert report["quantization"] == "quantized"
    assert {s["site"] for s in report["sites"] if s["kind"] == "weight"} >= {"w1", "w2", "w3"}
    assert all(s["bits"] == 8 for s in report["sites"] if s["kind"] == "activation")


@pytest.mark.parametrize("name", STATIC)
def test_what_onnxruntime_quantized_runs_natively(network, tmp_path, name):
    path = by_onnxruntime(network, tmp_path / "theirs.onnx", **STATIC[name])
    report = facts(tmp_path, "inspect", path, "--target", "native")
    # QOperator files pool and reshape the codes themselves, which plain loops do.
    in_plain_loops = {"MaxPool", "Reshape"} if name.startswith("qoperator") else set()
    assert {op["op"] for op in report["float_operators"]} <= in_plain_loops
    assert all(layer["kernel"] != "float" for layer in report["native_layers"] if layer["op"] in ("Conv", "Gemm", "Add"))
    halftone("eval", path, "--data", network[1], "--engine", "native", "--outputs", tmp_path / "native.npy")
    share, most = steps(np.load(tmp_path / "native.npy"), outputs(path, network[2]), last_scale(path))
    assert share < 0.05 and most < 1.01


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", STATIC)
def test_another_target_gets_the_same_numbers(network, tmp_path, name, target):
    path = by_onnxruntime(network, tmp_path / "theirs.onnx", **STATIC[name])
    out = tmp_path / "out.onnx"
    assert facts(tmp_path, "quantize", path, "-o", out, "--target", target, "--keep-quantization")["float_operators"] == []
    onnx.checker.check_model(onnx.load(out), full_check=True)
    assert np.array_equal(evaluated(path, network[1], tmp_path), evaluated(out, network[1], tmp_path))
    share, most = steps(outputs(out, network[2]), outputs(path, network[2]), last_scale(path))
    assert share < 0.05 and most < 1.01
    if "qdq" in name:
        assert scales(path) == scales(out)
    again = tmp_path / "again.onnx"
    halftone("quantize", out, "-o", again, "--target", target, "--keep-quantization")
    assert np.array_equal(evaluated(out, network[1], tmp_path), evaluated(again, network[1], tmp_path))
    assert scales(again) == scales(out)


@pytest.mark.parametrize("name", ["qdq", "qoperator"])
def test_requantize_starts_from_the_dequantized_values(network, tmp_path, name):
    path = by_onnxruntime(network, tmp_path / "theirs.onnx", **STATIC[name])
    out = tmp_path / "out.onnx"
    refused = halftone("quantize", path, "-o", out, "--data", network[1], check=False)
    assert refused.returncode == 1 and "--requantize" in refused.stderr and not out.exists()
    report = facts(tmp_path, "quantize", path, "-o", out, "--data", network[1], "--requantize")
    assert report["float_operators"] == []
    exact, before, after = (outputs(p, network[2]) for p in (network[0], path, out))
    noise = [np.square(exact - y).sum() / np.square(exact).sum() for y in (before, after)]
    assert noise[1] < 3 * noise[0] + 1e-3


def test_a_partly_quantized_model_keeps_what_it_has(network, tmp_path):
    path = by_onnxruntime(network, tmp_path / "theirs.onnx", quant_format=ortq.QuantFormat.QDQ, per_channel=True,
                          nodes_to_exclude=["conv2", "add", "fc"])
    assert facts(tmp_path, "inspect", path)["quantization"] == "partly quantized"
    out = tmp_path / "out.onnx"
    facts(tmp_path, "quantize", path, "-o", out, "--data", network[1])
    assert set(scales(path)) <= set(scales(out)) and len(scales(out)) > len(scales(path))
    old, new = ({t.name: numpy_helper.to_array(t) for t in onnx.load(p).graph.initializer} for p in (path, out))
    assert np.array_equal(old["w1_quantized"], new["w1_quantized"]) and new["w2_quantized"].dtype == np.int8
    assert facts(tmp_path, "inspect", out)["quantization"] == "quantized"
    exact, after = outputs(network[0], network[2]), outputs(out, network[2])
    assert np.square(exact - after).sum() < 0.01 * np.square(exact).sum()


@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamic_quantization_is_weight_only(tmp_path, per_channel):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name="first"), helper.make_node("Relu", ["h"], ["r"]),
             helper.make_node("Gemm", ["r", "v", "b"], ["y"], name="second")]
    model = save(tmp_path / "float.onnx", nodes, [("x", ["n", 16])], [("y", ["n", 4])],
                 {"w": normal(16, 8, seed=1), "v": normal(8, 4, seed=2), "b": normal(4, seed=3)})
    ortq.quantize_dynamic(str(model), str(tmp_path / "dynamic.onnx"), per_channel=per_channel, weight_type=ortq.QuantType.QInt8)
    x = normal(32, 16, seed=4)
    np.savez(tmp_path / "data.npz", x=x)
    ours, exact = evaluated(tmp_path / "dynamic.onnx", tmp_path / "data.npz", tmp_path), outputs(model, x)
    theirs = outputs(tmp_path / "dynamic.onnx", x)
    assert np.abs(ours - exact).mean() <= 1.2 * np.abs(theirs - exact).mean(), "float activations lose no more"
    report = facts(tmp_path, "inspect", tmp_path / "dynamic.onnx")
    assert report["quantization"] == "weight-only" and len(report["sites"]) > 2
    facts(tmp_path, "quantize", tmp_path / "dynamic.onnx", "-o", tmp_path / "out.onnx", "--data", tmp_path / "data.npz")
    assert facts(tmp_path, "inspect", tmp_path / "out.onnx")["quantization"] == "quantized"
    assert np.abs(outputs(tmp_path / "out.onnx", x) - exact).mean() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("has_zeros", [False, True])
def test_matmul_nbits(tmp_path, bits, has_zeros):
    k, n, block = 64, 16, 32
    rng = RNG(bits)
    codes = rng.integers(0, 1 << bits, (n, k // block, block))
    zeros = rng.integers(0, 1 << bits, (n, k // block)) if has_zeros else np.full((n, k // block), 1 << (bits - 1))

    def packed(values, count):
        bits_of = ((values[..., None] >> np.arange(bits)) & 1).reshape(*values.shape[:-1], -1)
        padded = np.zeros((*bits_of.shape[:-1], count * 8), np.uint8)
        padded[..., :bits_of.shape[-1]] = bits_of
        return np.packbits(padded, axis=-1, bitorder="little")

    s = np.abs(normal(n, k // block, seed=3)) + 0.1
    constants = {"w": packed(codes, block * bits // 8), "s": s.reshape(-1)}
    if has_zeros:
        constants["z"] = packed(zeros, (k // block * bits + 7) // 8).reshape(-1)
    node = helper.make_node("MatMulNBits", ["x", *constants], ["y"], domain="com.microsoft", K=k, N=n, bits=bits, block_size=block,
                            accuracy_level=1)
    model = save(tmp_path / "m.onnx", [node], [("x", ["n", k])], [("y", ["n", n])], constants, domains=["com.microsoft"])
    x = normal(8, k, seed=5)
    np.savez(tmp_path / "data.npz", x=x)
    weight = ((codes - zeros[..., None]) * s[..., None]).reshape(n, k)
    assert np.abs(evaluated(model, tmp_path / "data.npz", tmp_path) - x @ weight.T).max() < 1e-5 * np.abs(x @ weight.T).max()
    assert np.abs(outputs(model, x) - x @ weight.T).max() < 1e-2 * np.abs(x @ weight.T).max()
    assert facts(tmp_path, "inspect", model)["quantization"] == "weight-only"
    halftone("quantize", model, "-o", tmp_path / "out.onnx", "--keep-quantization")
    assert np.abs(outputs(tmp_path / "out.onnx", x) - x @ weight.T).max() < 3e-2 * np.abs(x @ weight.T).max()


MICROSOFT = {
    "QLinearAdd": (["xq", "s", "z", "xq", "s", "z", "t", "u"], {}),
    "QLinearMul": (["xq", "s", "z", "xq", "s", "z", "t", "u"], {}),
    "QLinearSigmoid": (["xq", "s", "z", "t", "u"], {}),
    "QLinearLeakyRelu": (["xq", "s", "z", "t", "u"], {"alpha": 0.2}),
    "QLinearSoftmax": (["xq", "s", "z", "t", "u"], {"axis": -1, "opset": 13}),
    "QLinearGlobalAveragePool": (["xq", "s", "z", "t", "u"], {}),
    "QLinearAveragePool": (["xq", "s", "z", "t", "u"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "QLinearConcat": (["t", "u", "xq", "s", "z", "xq", "s", "z"], {"axis": 1}),
}


@pytest.mark.parametrize("op", MICROSOFT)
def test_operators_of_onnxruntime(tmp_path, op):
    inputs, attributes = MICROSOFT[op]
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
             helper.make_node(op, inputs, ["yq"], domain="com.microsoft", **attributes),
             helper.make_node("DequantizeLinear", ["yq", "t", "u"], ["y"])]
    constants = {"s": np.float32(0.02), "z": np.uint8(120), "t": np.float32(0.04), "u": np.uint8(100)}
    model = save(tmp_path / "m.onnx", nodes, [("x", ["n", 4, 6, 6])], [("y", None)], constants, domains=["com.microsoft"])
    x = normal(3, 4, 6, 6)
    np.savez(tmp_path / "data.npz", x=x)
    ours = evaluated(model, tmp_path / "data.npz", tmp_path)
    theirs = outputs(model, x).reshape(ours.shape)
    share, most = steps(ours, theirs, 0.04)
    assert most < 1.01 and share < 0.05, (share, most)


def test_other_operators_of_an_optimiser_are_refused_by_name(tmp_path):
    node = helper.make_node("FusedConv", ["x", "w"], ["y"], name="f", domain="com.microsoft", activation="Relu")
    model = save(tmp_path / "m.onnx", [node], [("x", [1, 3, 4, 4])], [("y", None)], {"w": normal(2, 3, 1, 1)}, domains=["com.microsoft"])
    result = halftone("inspect", model, check=False)
    assert result.returncode == 1 and "FusedConv" in result.stderr and "optimiser" in result.stderr


def test_openvino_fake_quantize(tmp_path):
    def fake(x, name, low, high, levels):
        return helper.make_node("FakeQuantize", [x, low, high, low, high], [name], domain="org.openvinotoolkit", levels=levels)
    nodes = [fake("x", "xf", "zero", "top", 16), fake("w", "wf", "low", "high", 255), helper.make_node("Conv", ["xf", "wf"], ["y"])]
    w = normal(4, 3, 1, 1, scale=0.5)
    high = np.abs(w).max((1, 2, 3), keepdims=True).astype(np.float32)
    model = save(tmp_path / "m.onnx", nodes, [("x", ["n", 3, 4, 4])], [("y", ["n", 4, 4, 4])],
                 {"zero": np.float32(0), "top": np.float32(1.5), "w": w, "low": -high, "high": high}, domains=["org.openvinotoolkit"])
    x = normal(5, 3, 4, 4)
    np.savez(tmp_path / "data.npz", x=x)
    xf = np.rint(np.clip(x, 0, 1.5) / 0.1) * 0.1
    wf = np.rint(w / (2 * high / 254)) * (2 * high / 254)
    assert np.abs(evaluated(model, tmp_path / "data.npz", tmp_path) - np.einsum("nchw,oc->nohw", xf, wf[:, :, 0, 0])).max() < 1e-3
    widths = {s["site"]: s["bits"] for s in facts(tmp_path, "inspect", model)["sites"] if s["bits"] < 32}
    assert widths["x"] == 4 and widths["w"] == 8


@pytest.mark.parametrize("bits,signed,narrow", [(8, 1, 0), (4, 1, 0), (4, 0, 0), (3, 1, 1), (2, 0, 0)])
def test_qonnx_quant(tmp_path, bits, signed, narrow):
    def quant(x, name, scale):
        return helper.make_node("Quant", [x, scale, "zero", "bits"], [name], domain="qonnx.custom_op.general", signed=signed,
                                narrow=narrow, rounding_mode="ROUND")
    w = normal(4, 3, 1, 1)
    nodes = [quant("x", "xf", "s"), quant("w", "wf", "ws"), helper.make_node("Conv", ["xf", "wf"], ["y"])]
    scale = (np.abs(w).max((1, 2, 3), keepdims=True) / 2 ** (bits - 1)).astype(np.float32)
    model = save(tmp_path / "m.onnx", nodes, [("x", ["n", 3, 4, 4])], [("y", ["n", 4, 4, 4])],
                 {"s": np.float32(0.3), "ws": scale, "w": w, "zero": np.float32(0), "bits": np.float32(bits)},
                 domains=["qonnx.custom_op.general"])
    x = normal(5, 3, 4, 4)
    np.savez(tmp_path / "data.npz", x=x)
    low, high = (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1) if signed else (0, 2 ** bits - 1)

    def rounded(values, s):
        return np.clip(np.rint(values / s), low, high) * s
    expected = np.einsum("nchw,oc->nohw", rounded(x, np.float32(0.3)), rounded(w, scale)[:, :, 0, 0])
    assert np.abs(evaluated(model, tmp_path / "data.npz", tmp_path) - expected).max() < 1e-4
    assert {s["bits"] for s in facts(tmp_path, "inspect", model)["sites"] if s["site"] == "x"} == {bits}
    halftone("quantize", model, "-o", tmp_path / "out.onnx", "--keep-quantization")
    assert np.abs(outputs(tmp_path / "out.onnx", x) - expected).max() < 1e-4


def test_qonnx_fractional_width_is_refused(tmp_path):
    node = helper.make_node("Quant", ["x", "s", "s", "bits"], ["y"], name="q", domain="qonnx.custom_op.general", signed=1, narrow=0,
                            rounding_mode="ROUND")
    model = save(tmp_path / "m.onnx", [node], [("x", [2])], [("y", [2])], {"s": np.float32(1), "bits": np.float32(3.5)},
                 domains=["qonnx.custom_op.general"])
    result = halftone("inspect", model, check=False)
    assert result.returncode == 1 and "3.5" in result.stderr and "'q'" in result.stderr


def test_qonnx_bipolar(tmp_path):
    def bipolar(x, y):
        return helper.make_node("BipolarQuant", [x, "s"], [y], domain="qonnx.custom_op.general")
    w = normal(4, 3, 1, 1)
    model = save(tmp_path / "m.onnx", [bipolar("x", "xf"), bipolar("w", "wf"), helper.make_node("Conv", ["xf", "wf"], ["y"])],
                 [("x", ["n", 3, 4, 4])], [("y", ["n", 4, 4, 4])], {"s": np.float32(0.5), "w": w}, domains=["qonnx.custom_op.general"])
    x = normal(5, 3, 4, 4)
    x[0, 0, 0, 0] = 0
    np.savez(tmp_path / "data.npz", x=x)
    expected = np.einsum("nchw,oc->nohw", np.where(x >= 0, 0.5, -0.5), np.where(w >= 0, 0.5, -0.5)[:, :, 0, 0])
    assert np.abs(evaluated(model, tmp_path / "data.npz", tmp_path) - expected).max() < 1e-5


@pytest.mark.parametrize("weights,activations", [(8, 8), (4, 4), (3, 6)])
def test_our_own_files_come_back_the_same(network, tmp_path, weights, activations):
    out, again = tmp_path / "out.onnx", tmp_path / "again.onnx"
    facts(tmp_path, "quantize", network[0], "-o", out, "--data", network[1], "--weights", weights, "--activations", activations,
          "--fix", f"*={activations}", "--fix", f"w?={weights}", "--fix", f"fc={weights}")
    halftone("quantize", out, "-o", again, "--keep-quantization")
    assert np.array_equal(evaluated(out, network[1], tmp_path), evaluated(again, network[1], tmp_path))
    old, new = ({t.name: numpy_helper.to_array(t) for t in onnx.load(p).graph.initializer} for p in (out, again))
    assert old.keys() == new.keys() and all(np.array_equal(old[n], new[n]) for n in old)
    widths = {s["kind"]: {t["bits"] for t in facts(tmp_path, "inspect", p)["sites"] if t["kind"] == s["kind"]}
              for p in (out, again) for s in json.loads((tmp_path / "facts.json").read_text())["sites"]}
    assert widths == {"weight": {weights}, "activation": {activations}}


def test_a_residual_add_reads_eight_bits_beside_a_narrow_layer(network, tmp_path):
    out, shared, packed, again = (tmp_path / f"{name}.onnx" for name in ("out", "shared", "packed", "again"))

    def bits_of_sites(path, *options):
        report = facts(tmp_path, "quantize", network[0], "-o", path, "--data", network[1], "--weights", 4, "--activations", 4,
                       "--method", "mse", *options)
        return {site["site"]: site["bits"] for site in report["sites"]}, [op["op"] for op in report["float_operators"]]

    bits, floats = bits_of_sites(out)
    assert bits["r1"] == 4 and bits["r1_skip"] == 8 and floats == ["Clip"]
    bits, floats = bits_of_sites(shared, "--shared-skips")
    assert bits["r1"] == 4 and "r1_skip" not in bits and floats == []

    assert facts(tmp_path, "inspect", network[0])["skips"] == ["r1_skip"]
    told = facts(tmp_path, "inspect", out)
    assert {site["site"]: site["bits"] for site in told["sites"]}["r1_skip"] == 8
    assert [op["op"] for op in told["float_operators"]] == ["Clip"]
    operators = optimized_operators(out, tmp_path)
    assert operators.count("QLinearConv") == 3 and operators.count("QLinearAdd") == 1 and not {"Conv", "Add"} & set(operators)
    halftone("pack", out, "-o", packed)
    assert np.array_equal(outputs(out, network[2]), outputs(packed, network[2]))
    halftone("quantize", out, "-o", again, "--keep-quantization")
    ours = evaluated(out, network[1], tmp_path)
    assert np.array_equal(ours, evaluated(again, network[1], tmp_path))
    assert np.abs(ours - outputs(out, network[2])).max() < 1e-3 * np.ptp(ours)
    halftone("eval", out, "--data", network[1], "--engine", "native", "--outputs", tmp_path / "native.npy")
    assert np.abs(ours - np.load(tmp_path / "native.npy")).max() < 1e-3 * np.ptp(ours)
    assert "table" in {layer["kernel"] for layer in facts(tmp_path, "inspect", out, "--target", "native")["native_layers"]}


def test_float_parts_of_a_file_are_told(network, tmp_path):
    partly, again = tmp_path / "partly.onnx", tmp_path / "again.onnx"
    report = facts(tmp_path, "quantize", network[0], "-o", partly, "--data", network[1], "--fix", "w2=float")
    assert [op["node"] for op in report["float_operators"]] == ["conv2"]
    # Between Q and DQ onnxruntime would quantize the weight itself and run integers; a Max of one value keeps them apart.
    operators = optimized_operators(partly, tmp_path)
    assert operators.count("QLinearConv") == 2 and "QLinearAdd" in operators and "Conv" in operators
    told = facts(tmp_path, "quantize", partly, "-o", again, "--keep-quantization")
    assert {"conv2"} <= {op["node"] for op in told["float_operators"]}
    assert np.array_equal(outputs(partly, network[2]), outputs(again, network[2]))
    weights = facts(tmp_path, "quantize", network[0], "-o", partly, "--data", network[1], "--activations", 32)
    told = facts(tmp_path, "quantize", partly, "-o", again, "--keep-quantization")
    assert {op["node"] for op in told["float_operators"]} == {op["node"] for op in weights["float_operators"]}


def aimet(network, version):
    """Encodings of some tensors, as AIMET writes them: (text, {tensor: (bits, scale, zero point)})."""
    w = {t.name: numpy_helper.to_array(t) for t in onnx.load(network[0]).graph.initializer}
    s = (np.abs(w["w1"]).max((1, 2, 3)) / 7).astype(np.float32)
    wanted = {"r1": (6, np.float32(0.05), 0), "image": (8, np.float32(0.03), 128)}
    if version == "1.0.0":
        activations = [dict(name=n, enc_type="PER_TENSOR", dtype="INT", bw=b, is_sym=False, scale=[float(v)], offset=[-z])
                       for n, (b, v, z) in wanted.items()]
        params = [dict(name="w1", enc_type="PER_CHANNEL", dtype="INT", bw=4, is_sym=True, scale=s.tolist(), offset=[-8] * 8)]
    elif version == "2.0.0":
        entries = [dict(name=n, output_dtype=f"uint{b}", y_scale=float(v), y_zero_point=z) for n, (b, v, z) in wanted.items()]
        entries.append(dict(name="w1", output_dtype="int4", y_scale=s.tolist(), axis=0))
        return json.dumps({"version": version, "encodings": entries}), wanted, s
    else:
        activations = {n: [dict(bitwidth=b, dtype="int", is_symmetric="False", min=float(-z * v), max=float((2 ** b - 1 - z) * v),
                                scale=float(v), offset=-z)] for n, (b, v, z) in wanted.items()}
        params = {"w1": [dict(bitwidth=4, dtype="int", is_symmetric="True", min=float(-8 * v), max=float(7 * v), scale=float(v),
                              offset=-8) for v in s]}
    return json.dumps({"version": version, "activation_encodings": activations, "param_encodings": params}), wanted, s


@pytest.mark.parametrize("version", ["0.4", "0.6.1", "1.0.0", "2.0.0"])
def test_aimet_encodings_are_a_fixed_plan(network, tmp_path, version):
    text, wanted, weight_scales = aimet(network, version)
    (tmp_path / "e.encodings").write_text(text)
    out = tmp_path / "out.onnx"
    facts(tmp_path, "quantize", network[0], "-o", out, "--data", network[1], "--encodings", tmp_path / "e.encodings")
    values = {t.name: numpy_helper.to_array(t) for t in onnx.load(out).graph.initializer}
    assert np.array_equal(values["w1_scale"], weight_scales) and np.abs(values["w1_quantized"]).max() <= 8
    for name, (_, scale, zero_point) in wanted.items():
        assert values[name + "_scale"] == scale and values[name + "_zero_point"] == zero_point
    bits = {s["site"]: s["bits"] for s in facts(tmp_path, "inspect", out)["sites"]}
    assert bits["r1"] == 6 and bits["image"] == 8 and bits["w1"] == 4 and bits["w2"] == 8
    share, most = steps(evaluated(out, network[1], tmp_path), outputs(out, network[2]), values["r1_scale"])
    assert most < 20 and outputs(out, network[2]).shape == (64, 10)


@pytest.mark.parametrize("version", ["0.6.1", "1.0.0"])
def test_written_encodings_give_the_same_file_again(network, tmp_path, version):
    first, second = tmp_path / "1.onnx", tmp_path / "2.onnx"
    facts(tmp_path, "quantize", network[0], "-o", first, "--data", network[1], "--weights", 4, "--method", "minmax",
          "--save-encodings", tmp_path / "e.json", "--encodings-version", version)
    assert json.loads((tmp_path / "e.json").read_text())["version"] == version
    facts(tmp_path, "quantize", network[0], "-o", second, "--data", network[1], "--method", "minmax", "--encodings", tmp_path / "e.json")
    old, new = ({t.name: numpy_helper.to_array(t) for t in onnx.load(p).graph.initializer} for p in (first, second))
    assert all(np.array_equal(old[n], new[n]) for n in old if n.endswith(("_scale", "_zero_point", "_quantized")))


def test_encodings_that_do_not_fit_are_refused(network, tmp_path):
    block = {"version": "1.0.0", "activation_encodings": [], "param_encodings": [
        dict(name="w1", enc_type="LPBQ", dtype="INT", bw=8, is_sym=True, scale=[1.0], offset=[-128])]}
    stranger = {"version": "0.6.1", "param_encodings": {}, "activation_encodings": {
        "nobody": [dict(bitwidth=8, dtype="int", is_symmetric="False", scale=1.0, offset=0)]}}
    for content, words in ((block, ["w1", "LPBQ"]), (stranger, ["nobody"]), ({"version": "9"}, ["9", "1.0.0"])):
        (tmp_path / "e.json").write_text(json.dumps(content))
        result = halftone("quantize", network[0], "-o", tmp_path / "o.onnx", "--data", network[1], "--encodings",
                          tmp_path / "e.json", check=False)
        assert result.returncode == 1 and all(w in result.stderr for w in words), result.stderr

"""Weight-only quantization of matrix products, judged by onnxruntime."""
import numpy as np
import onnx
import pytest
from conftest import facts, halftone
from onnx import TensorProto, helper, numpy_helper

F = TensorProto.FLOAT
GROUP = 32
# int8 activations inside MatMulNBits are onnxruntime's default; 1 computes in float32.
FLOAT_PRODUCTS = ("session.qdq_matmulnbits_accuracy_level", "1")


def ort_session(path, optimized=True, model_out=None):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*FLOAT_PRODUCTS)
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if model_out:
        options.optimized_model_filepath = str(model_out)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path, x, optimized=True):
    return ort_session(path, optimized).run(None, {"x": x})[0]


def optimized_operators(path, folder):
    ort_session(path, model_out=folder / "optimized.onnx")
    return [node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node]


def spread(k, n, seed):
    """A matrix whose groups of input channels differ by up to a thousand."""
    rng = np.random.default_rng(seed)
    sizes = np.repeat(10.0 ** rng.uniform(-2, 1, (-(-k // GROUP), n)), GROUP, 0)[:k]
    return (rng.standard_normal((k, n)) * sizes / np.sqrt(k)).astype(np.float32)


def mlp(folder, matrix, opset=17):
    """MatMul (K 96), Gemm transB (K 80: the last group is shorter), Gemm; 40 samples."""
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["h1"], name="first"), helper.make_node("Relu", ["h1"], ["r1"]),
             helper.make_node("Gemm", ["r1", "w2", "b2"], ["h2"], name="second", transB=1), helper.make_node("Relu", ["h2"], ["r2"]),
             helper.make_node("Gemm", ["r2", "w3", "b3"], ["y"], name="third")]
    rng = np.random.default_rng(5)
    constants = {"w1": matrix(96, 80, 1), "w2": np.ascontiguousarray(matrix(80, 64, 2).T), "w3": matrix(64, 10, 3),
                 "b2": rng.standard_normal(64).astype(np.float32), "b3": rng.standard_normal(10).astype(np.float32)}
    graph = helper.make_graph(nodes, "mlp", [helper.make_tensor_value_info("x", F, ["n", 96])], [helper.make_tensor_value_info("y", F, ["n", 10])],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    path = folder / "mlp.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    x = rng.standard_normal((40, 96)).astype(np.float32)
    np.savez(folder / "data.npz", x=x)
    return path, x


def quantize(model, out, *options, weights=4):
    method = () if "--method" in options else ("--method", "corrected")
    return facts(out.parent, "quantize", model, "-o", out, "--data", model.parent / "data.npz", "--activations", 32, "--weights", weights,
                 *method, *options)


def evaluated(path, data, folder):
    facts(folder, "eval", path, "--data", data, "--outputs", folder / "y.npy")
    return np.load(folder / "y.npy")


def close(a, b):
    return np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


def sqnr(exact, other):
    return 10 * np.log10(np.square(exact).sum() / np.square(exact - other).sum())


@pytest.mark.parametrize("scheme", ["symmetric", "affine"])
@pytest.mark.parametrize("group", [0, GROUP])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_onnxruntime_fuses_and_computes_what_we_simulate(tmp_path, bits, group, scheme):
    model, x = mlp(tmp_path, spread)
    out = tmp_path / "out.onnx"
    report = quantize(model, out, "--group", group, "--weight-scheme", scheme, weights=bits)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    operators = optimized_operators(out, tmp_path)
    assert operators.count("MatMulNBits") == 3 and not {"MatMul", "Gemm", "DequantizeLinear"} & set(operators)
    ours = evaluated(out, tmp_path / "data.npz", tmp_path)
    assert close(ours, outputs(out, x)) and close(ours, outputs(out, x, optimized=False))
    assert {s["site"]: s["bits"] for s in report["sites"]} == {"w1": bits, "w2": bits, "w3": bits}
    stored = {op["node"]: op["reason"] for op in report["float_operators"] if op["op"] != "Relu"}
    wanted = f"in groups of {GROUP}" if group else "a scale for each output channel"
    assert len(stored) == 3 and all(f"{bits} bits" in reason and wanted in reason for reason in stored.values())


def test_relu6_keeps_no_product_from_fusing(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="first"), helper.make_node("Clip", ["h", "zero", "six"], ["r"]),
             helper.make_node("MatMul", ["r", "v"], ["y"], name="second")]
    constants = {"w": spread(96, 64, 1), "b": np.ones(64, np.float32), "v": spread(64, 10, 2), "zero": np.float32(0), "six": np.float32(6)}
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", F, ["n", 96])], [helper.make_tensor_value_info("y", F, ["n", 10])],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    model, out = tmp_path / "m.onnx", tmp_path / "out.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), model)
    x = np.random.default_rng(1).standard_normal((8, 96)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    quantize(model, out, "--group", GROUP)
    assert optimized_operators(out, tmp_path).count("MatMulNBits") == 2
    assert close(outputs(out, x), evaluated(out, tmp_path / "data.npz", tmp_path))
    requantized = tmp_path / "8.onnx"
    halftone("quantize", out, "-o", requantized, "--data", tmp_path / "data.npz", "--requantize", "--method", "corrected")
    assert "Clip" not in optimized_operators(requantized, tmp_path), "the way back finds the ReLU6, which integers absorb"


@pytest.mark.parametrize("bits", range(1, 9))
def test_every_width_takes_the_narrowest_type_that_holds_it(tmp_path, bits):
    model, x = mlp(tmp_path, spread)
    out, small = tmp_path / "out.onnx", tmp_path / "small.onnx"
    quantize(model, out, "--group", GROUP, "--method", "minmax", weights=bits)
    file = onnx.load(out)
    types = {t.name: t.data_type for t in file.graph.initializer if t.name.endswith("_quantized")}
    narrow = TensorProto.INT4 if bits <= 4 else TensorProto.INT8
    assert types["w1_quantized"] == types["w2_quantized"] == (TensorProto.INT2 if bits <= 2 else narrow)
    assert types["w3_quantized"] == narrow, "onnxruntime packs int2 matrices wrongly whose outputs, 10, are no multiple of 4"
    assert optimized_operators(out, tmp_path).count("MatMulNBits") == 3
    assert close(outputs(out, x), evaluated(out, tmp_path / "data.npz", tmp_path))
    halftone("pack", out, "-o", small)
    assert np.array_equal(outputs(small, x), outputs(out, x)) and optimized_operators(small, tmp_path).count("MatMulNBits") == 3
    for path in (out, small):
        report = facts(tmp_path, "inspect", path)
        assert report["quantization"] == "weight-only"
        assert {(s["bits"], s["group"]) for s in report["sites"] if s["kind"] == "weight"} == {(bits, GROUP)}
        assert {layer["weight_bits"] for layer in report["layers"] if layer["weight_bits"]} == {bits}


@pytest.mark.parametrize("method", ["minmax", "mse", "corrected", "adaround"])
def test_more_bits_and_groups_give_a_better_output(tmp_path, method):
    model, x = mlp(tmp_path, spread)
    exact = outputs(model, x)
    options = ("--method", method, *(("--iterations", 300) if method == "adaround" else ()))
    found = {}
    for bits in (2, 3, 4, 6, 8):
        for group in (0, GROUP):
            out = tmp_path / f"{bits}-{group}.onnx"
            quantize(model, out, "--group", group, *options, weights=bits)
            found[bits, group] = sqnr(exact, outputs(out, x))
    for group in (0, GROUP):
        assert sorted(found[bits, group] for bits in (2, 3, 4, 6, 8)) == [found[bits, group] for bits in (2, 3, 4, 6, 8)]
    assert all(found[bits, GROUP] > found[bits, 0] for bits in (3, 4, 6, 8)), found


def test_zero_points_help_where_values_are_one_sided(tmp_path):
    model, x = mlp(tmp_path, lambda k, n, seed: np.abs(spread(k, n, seed)))
    exact = outputs(model, x)
    found = {}
    for scheme in ("symmetric", "affine"):
        quantize(model, tmp_path / "out.onnx", "--group", GROUP, "--weight-scheme", scheme, "--method", "minmax")
        found[scheme] = sqnr(exact, outputs(tmp_path / "out.onnx", x))
    assert found["affine"] > found["symmetric"] + 3


def test_learned_rounding_beats_the_nearest(tmp_path):
    model, x = mlp(tmp_path, spread)
    exact = outputs(model, x)
    found = {}
    for method in ("mse", "adaround"):
        quantize(model, tmp_path / "out.onnx", "--group", GROUP, "--method", method, weights=2)
        found[method] = sqnr(exact, outputs(tmp_path / "out.onnx", x))
    assert found["adaround"] > found["mse"]


@pytest.mark.parametrize("target", ["onnxruntime", "openvino", "tensorrt", "compact"])
def test_keeping_quantization_changes_no_number(tmp_path, target):
    model, x = mlp(tmp_path, spread)
    out, again = tmp_path / "out.onnx", tmp_path / "again.onnx"
    quantize(model, out, "--group", GROUP, "--weight-scheme", "affine")
    halftone("quantize", out, "-o", again, "--keep-quantization", "--target", target)
    assert np.array_equal(outputs(again, x, optimized=False), outputs(out, x, optimized=False))
    assert {(s["bits"], s["group"]) for s in facts(tmp_path, "inspect", again)["sites"] if s["kind"] == "weight"} == {(4, GROUP)}
    if target in ("onnxruntime", "compact"):
        assert optimized_operators(again, tmp_path).count("MatMulNBits") == 3


def test_targets_without_groups_say_so(tmp_path):
    model, x = mlp(tmp_path, spread)
    out = tmp_path / "out.onnx"
    report = quantize(model, out, "--group", GROUP, "--target", "openvino")
    reasons = [op["reason"] for op in report["float_operators"] if op["op"] != "Relu"]
    assert len(reasons) == 3 and all("stored in int8" in reason and "openvino" in reason for reason in reasons)
    assert {t.data_type for t in onnx.load(out).graph.initializer if t.name.endswith("_quantized")} == {TensorProto.INT8}
    assert close(outputs(out, x), evaluated(out, tmp_path / "data.npz", tmp_path))


def test_convolutions_keep_int8_and_a_scale_a_channel(digits, digit_images, tmp_path):
    model, data, preprocess = digits
    out = tmp_path / "out.onnx"
    report = facts(tmp_path, "quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--limit", 64,
                   "--activations", 32, "--weights", 4, "--group", GROUP)
    weights = {t.name: t for t in onnx.load(out).graph.initializer if t.name.endswith("_quantized")}
    assert weights.pop("fc.weight_quantized").data_type == TensorProto.INT4
    assert len(weights) == 4
    for tensor in weights.values():
        codes = numpy_helper.to_array(tensor)
        assert codes.dtype == np.int8 and codes.min() >= -8 and codes.max() <= 7
    reasons = {op["node"]: op["reason"] for op in report["float_operators"]}
    assert "no runtime has a kernel for such a Conv" in reasons["first.conv"] and "groups of 32" in reasons["fc"]
    theirs = ort_session(out).run(None, {"image": digit_images[0]})[0]
    facts(tmp_path, "eval", out, "--data", data / "test", "--outputs", tmp_path / "y.npy")
    assert np.abs(np.load(tmp_path / "y.npy") - theirs).max() < 1e-4 * np.abs(theirs).max()


def test_a_plan_gives_single_weights_a_group(tmp_path):
    model, x = mlp(tmp_path, spread)
    plan, out = tmp_path / "plan.json", tmp_path / "out.onnx"
    plan.write_text('{"sites": {"w1": {"bits": 2, "group": 16, "scheme": "affine"}, "w2": {"bits": 8, "group": 0}, "w3": "float"}}')
    quantize(model, out, "--group", 64, "--plan", plan, "--float-weights")
    sites = {s["site"]: (s["bits"], s["group"]) for s in facts(tmp_path, "inspect", out)["sites"] if s["bits"] < 32}
    assert sites == {"w1": (2, 16), "w2": (8, 0)}
    assert close(outputs(out, x), evaluated(out, tmp_path / "data.npz", tmp_path))


def test_reductions_go_with_the_opset(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("ReduceMax", ["h"], ["m"], axes=[1], keepdims=1),
             helper.make_node("Sub", ["h", "m"], ["y"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", F, ["n", 96])], [helper.make_tensor_value_info("y", F, ["n", 10])],
                              [numpy_helper.from_array(spread(96, 10, 1), "w")])
    model = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), model)
    x = np.random.default_rng(1).standard_normal((8, 96)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    out = tmp_path / "out.onnx"
    quantize(model, out, "--group", GROUP)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    assert onnx.load(out).opset_import[0].version == 21
    assert close(outputs(out, x), evaluated(out, tmp_path / "data.npz", tmp_path))


def test_errors_say_what_to_do(tmp_path):
    model, _ = mlp(tmp_path, spread)
    out = tmp_path / "out.onnx"

    def error(*options, plan=None):
        if plan:
            (tmp_path / "plan.json").write_text(plan)
            options = (*options, "--plan", tmp_path / "plan.json")
        result = halftone("quantize", model, "-o", out, "--data", tmp_path / "data.npz", *options, check=False)
        assert result.returncode in (1, 2) and not out.exists()
        return result.stderr

    assert "--activations 32" in error("--group", 32)
    assert "--activations 32" in error("--weight-scheme", "affine")
    assert "16 or 32" in error("--activations", 32, "--group", 24)
    assert "16" in error("--activations", 32, "--group", 8)
    message = error(plan='{"sites": {"w2": {"bits": 4, "group": 32}}}')
    assert "'w2'" in message and "--activations 32" in message
    message = error("--activations", 32, plan='{"sites": {"w2": {"bits": 4, "group": 12}}}')
    assert "'w2'" in message and "16" in message
    message = error("--activations", 32, plan='{"sites": {"w3": {"group": 32, "channel_bits": [4, 4, 4, 4, 4, 4, 4, 4, 4, 2]}}}')
    assert "'w3'" in message and "channel_bits" in message
    assert "2 bits" in error("--activations", 32, "--weights", 1, "--weight-scheme", "affine")
    assert "groups" in error("--activations", 32, "--group", 32, "--save-encodings", tmp_path / "e.json")


def test_groups_stay_when_activations_get_bits(tmp_path):
    model, x = mlp(tmp_path, spread)
    blocked, out = tmp_path / "blocked.onnx", tmp_path / "out.onnx"
    quantize(model, blocked, "--group", GROUP)
    facts(tmp_path, "quantize", blocked, "-o", out, "--data", tmp_path / "data.npz")
    assert close(outputs(out, x), outputs(blocked, x)), "no operator with groups runs on integers"

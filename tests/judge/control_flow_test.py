"""If, Loop, Scan and recurrent operators: carried through, run, and what is around them quantized; judged by onnxruntime."""
import numpy as np
import onnx
import pytest
from conftest import facts, halftone, session
from onnx import TensorProto, helper, numpy_helper

F, B, I = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64


def info(name, shape=None, dtype=F):
    return helper.make_tensor_value_info(name, dtype, shape)


def normal(*shape, seed=1, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def if_nodes():
    """Doubles r where its mean is positive, else adds an outer constant."""
    then = helper.make_graph([helper.make_node("Add", ["r", "r"], ["t"])], "then", [], [info("t")])
    other = helper.make_graph([helper.make_node("Add", ["r", "shift"], ["e"])], "else", [], [info("e")])
    return [helper.make_node("ReduceMean", ["r"], ["mean"], keepdims=0), helper.make_node("Greater", ["mean", "half"], ["c"]),
            helper.make_node("If", ["c"], ["h"], name="choose", then_branch=then, else_branch=other)]


def loop_nodes():
    """Three times h = h * shift + r, with an If inside that reads a value from two levels out."""
    then = helper.make_graph([helper.make_node("Mul", ["state", "shift"], ["t"])], "then", [], [info("t")])
    other = helper.make_graph([helper.make_node("Identity", ["state"], ["e"])], "else", [], [info("e")])
    body = helper.make_graph([helper.make_node("If", ["go"], ["m"], then_branch=then, else_branch=other),
                              helper.make_node("Add", ["m", "r"], ["next"]), helper.make_node("Identity", ["go"], ["on"])],
                             "body", [info("step", [], I), info("go", [], B), info("state")], [info("on", [], B), info("next")])
    return [helper.make_node("Loop", ["three", "", "r"], ["h"], name="repeat", body=body)]


def scan_nodes():
    """The running sum of the rows."""
    body = helper.make_graph([helper.make_node("Add", ["sum", "row"], ["next"]), helper.make_node("Identity", ["next"], ["out"])],
                             "body", [info("sum", [8]), info("row", [8])], [info("next", [8]), info("out", [8])])
    return [helper.make_node("Scan", ["zeros", "r"], ["last", "h"], name="running", num_scan_inputs=1, body=body)]


def recurrent_nodes(op, gates, direction):
    two = 2 if direction == "bidirectional" else 1
    constants = {"W": normal(two, gates * 4, 8, seed=11, scale=0.4), "R": normal(two, gates * 4, 4, seed=12, scale=0.4),
                 "bias": normal(two, 2 * gates * 4, seed=13, scale=0.2), "wide": np.array([-1, 4 * two], np.int64)}
    return [helper.make_node("Unsqueeze", ["r", "one"], ["s"]),
            helper.make_node(op, ["s", "W", "R", "bias"], ["seq"], name="recurrent", hidden_size=4, direction=direction),
            helper.make_node("Reshape", ["seq", "wide"], ["small"]),
            helper.make_node("MatMul", ["small", "spread"], ["h"])], {**constants, "spread": normal(4 * two, 8, seed=14)}


CASES = {"if": (if_nodes, {}), "loop": (loop_nodes, {}), "scan": (scan_nodes, {})}
for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    for direction in ("forward", "reverse", "bidirectional"):
        nodes, more = recurrent_nodes(op, gates, direction)
        CASES[f"{op.lower()}-{direction}"] = (lambda nodes=nodes: nodes, more)


@pytest.fixture(params=CASES)
def model(request, tmp_path):
    """Linear -> ReLU -> control flow -> Linear, and its data."""
    make, more = CASES[request.param]
    nodes = [helper.make_node("Gemm", ["x", "w1", "b1"], ["g"], name="first", transB=1), helper.make_node("Relu", ["g"], ["r"]),
             *make(), helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], name="second", transB=1)]
    constants = {"w1": normal(8, 6, seed=2), "b1": normal(8, seed=3), "w2": normal(5, 8, seed=4), "b2": normal(5, seed=5),
                 "shift": np.float32(0.5), "half": np.float32(0.55), "three": np.array(3, np.int64), "zeros": np.zeros(8, np.float32),
                 "one": np.array([1], np.int64), **more}
    used = {name for node in nodes for name in node.input} | {"shift"}
    graph = helper.make_graph(nodes, "g", [info("x", ["n", 6])], [info("y", ["n", 5])],
                              [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    x = normal(16, 6, seed=6)  # one batch of ours
    np.savez(tmp_path / "data.npz", x=x)
    return path, tmp_path / "data.npz", x


def test_control_flow_runs_and_what_is_around_it_is_quantized(model, tmp_path):
    path, data, x = model
    # Batches of the same size on both sides: a Scan or an If may look across samples.
    halftone("eval", path, "--data", data, "--outputs", tmp_path / "y.npy")
    exact = session(path).run(None, {"x": x})[0]
    assert np.abs(np.load(tmp_path / "y.npy") - exact).max() < 1e-4 * max(1, np.abs(exact).max())

    out = tmp_path / "out.onnx"
    facts(tmp_path, "inspect", path)
    facts(tmp_path, "quantize", path, "-o", out, "--data", data)
    onnx.checker.check_model(onnx.load(out))
    quantized = session(out).run(None, {"x": x})[0]
    assert np.square(exact - quantized).sum() < 0.01 * np.square(exact).sum()
    halftone("eval", out, "--data", data, "--outputs", tmp_path / "y.npy")
    assert np.abs(np.load(tmp_path / "y.npy") - quantized).max() < 0.03 * np.abs(exact).max()
    kept = {n.op_type for n in onnx.load(path).graph.node} & {"If", "Loop", "Scan", "LSTM", "GRU", "RNN"}
    new = onnx.load(out).graph
    assert kept <= {n.op_type for n in new.node}
    assert {t.name for t in new.initializer} >= {"w1_quantized", "w2_quantized"}

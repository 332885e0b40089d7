"""Models of opset 7 to 12, lifted to 13, against onnxruntime on the original."""
import numpy as np
import onnx
import pytest
from conftest import BUILD, run, session
from onnx import TensorProto, helper, numpy_helper

F = TensorProto.FLOAT


def node(op, inputs, **attributes):
    outputs = attributes.pop("outputs", ["y"])
    return helper.make_node(op, inputs, outputs, name="n", **attributes)


def weights(*shape):
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


BN = {name: np.abs(weights(3)) + 0.1 for name in ("g", "b", "m", "v")}
# name: (node, other inputs as constants, opsets that have this form)
CASES = {
    "squeeze": (node("Squeeze", ["x1"], axes=[1]), {}, (7, 11, 12)),
    "unsqueeze": (node("Unsqueeze", ["x"], axes=[0, 2]), {}, (7, 11, 12)),
    "split": (node("Split", ["x"], axis=2, split=[1, 3], outputs=["y", "z"]), {}, (7, 11, 12)),
    "split-equal": (node("Split", ["x"], axis=2, outputs=["y", "z"]), {}, (7, 12)),
    "reduce-sum": (node("ReduceSum", ["x"], axes=[1, 3], keepdims=0), {}, (7, 11, 12)),
    "reduce-sum-all": (node("ReduceSum", ["x"]), {}, (7, 12)),
    "softmax": (node("Softmax", ["x"]), {}, (7, 11, 12)),
    "softmax-last": (node("Softmax", ["x"], axis=3), {}, (7, 12)),
    "softmax-2": (node("Softmax", ["x"], axis=2), {}, (7, 12)),
    "log-softmax": (node("LogSoftmax", ["x"], axis=1), {}, (7, 12)),
    "hardmax": (node("Hardmax", ["x"], axis=2), {}, (7, 12)),
    "batch-norm-spatial": (node("BatchNormalization", ["x", "g", "b", "m", "v"], spatial=1), BN, (7, 8)),
    "batch-norm": (node("BatchNormalization", ["x", "g", "b", "m", "v"], epsilon=1e-3), BN, (9, 12)),
    "dropout": (node("Dropout", ["x"], ratio=0.3), {}, (7, 10, 11)),
    "clip": (node("Clip", ["x"], min=-0.5, max=0.25), {}, (7, 10)),
    "clip-one-side": (node("Clip", ["x"], max=0.25), {}, (7, 10)),
    "pad": (node("Pad", ["x"], pads=[0, 0, 1, 2, 0, 0, 0, 1], value=1.5), {}, (7, 10)),
    "pad-reflect": (node("Pad", ["x"], pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"), {}, (7, 10)),
    "slice": (node("Slice", ["x"], starts=[1, 0], ends=[3, -1], axes=[1, 3]), {}, (7, 9)),
    "slice-no-axes": (node("Slice", ["x"], starts=[0, 1], ends=[2, 3]), {}, (7, 9)),
    "topk": (node("TopK", ["x"], k=2, outputs=["y", "i"]), {}, (7, 9)),
    "upsample-7": (node("Upsample", ["x"], scales=[1.0, 1.0, 2.0, 3.0]), {}, (7, 8)),
    "upsample-9": (node("Upsample", ["x", "s"]), {"s": np.array([1, 1, 2, 2], np.float32)}, (9,)),
    "upsample-linear": (node("Upsample", ["x", "s"], mode="linear"), {"s": np.array([1, 1, 2, 3], np.float32)}, (9,)),
    "resize-10": (node("Resize", ["x", "s"]), {"s": np.array([1, 1, 1.5, 2], np.float32)}, (10,)),
    "resize-10-down": (node("Resize", ["x", "s"]), {"s": np.array([1, 1, 0.5, 0.75], np.float32)}, (10,)),
    "resize-10-linear": (node("Resize", ["x", "s"], mode="linear"), {"s": np.array([1, 1, 1.5, 2], np.float32)}, (10,)),
    "scatter": (node("Scatter", ["x", "i", "u"], axis=1),
                {"i": np.array([[[[0, 2, 1, 0]]]], np.int64), "u": weights(1, 1, 1, 4)}, (9, 10)),
    "conv": (node("Conv", ["x", "w"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), {"w": weights(4, 3, 3, 3)}, (7, 12)),
    "gemm": (node("Gemm", ["x2", "w", "c"]), {"w": weights(3, 5), "c": weights(5)}, (7, 10, 12)),
}
INPUTS = {"x": weights(2, 3, 4, 4), "x1": weights(2, 1, 4), "x2": weights(2, 3)}


@pytest.mark.parametrize("opset,case", [(o, c) for c, (_, _, opsets) in CASES.items() for o in opsets])
def test_lifted_model_gives_the_same(tmp_path, case, opset):
    n, constants, _ = CASES[case]
    x = n.input[0]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info(x, F, list(INPUTS[x].shape))]
    if opset < 9:  # IR 3: every initializer is an input too
        inputs += [helper.make_tensor_value_info(name, F, list(value.shape)) for name, value in constants.items()]
    outputs = [helper.make_empty_tensor_value_info(o) for o in n.output]
    for o in outputs:
        o.type.tensor_type.elem_type = TensorProto.INT64 if o.name == "i" and n.op_type == "TopK" else F
    graph = helper.make_graph([n], "g", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if opset < 9 else 4)
    feed = {x: INPUTS[x]}
    onnx.save(model, tmp_path / "old.onnx")
    for declared, value in zip(model.graph.output, session(tmp_path / "old.onnx").run(None, feed)):
        for size in value.shape:
            declared.type.tensor_type.shape.dim.add().dim_value = size
    onnx.save(model, tmp_path / "old.onnx")
    run(BUILD / "tests/roundtrip", tmp_path / "old.onnx", tmp_path / "new.onnx", "lift")
    new = onnx.load(tmp_path / "new.onnx")
    onnx.checker.check_model(new)
    assert new.opset_import[0].version == 13 and [i.name for i in new.graph.input] == [x]
    for a, b in zip(*(session(tmp_path / f).run(None, feed) for f in ("old.onnx", "new.onnx"))):
        assert a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-6)


def test_subgraphs_of_old_opsets_are_lifted(tmp_path):
    then = helper.make_graph([helper.make_node("Clip", ["x"], ["p"], min=-0.5, max=0.5),
                              helper.make_node("Unsqueeze", ["p"], ["t"], axes=[0])], "b", [],
                             [helper.make_tensor_value_info("t", F, None)])
    other = helper.make_graph([helper.make_node("Unsqueeze", ["x"], ["e"], axes=[0])], "b", [],
                              [helper.make_tensor_value_info("e", F, None)])
    graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], name="choose", then_branch=then, else_branch=other)], "g",
                              [helper.make_tensor_value_info("x", F, [4]), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
                              [helper.make_tensor_value_info("y", F, [1, 4])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5), tmp_path / "old.onnx")
    run(BUILD / "tests/roundtrip", tmp_path / "old.onnx", tmp_path / "new.onnx", "lift")
    onnx.checker.check_model(onnx.load(tmp_path / "new.onnx"))
    for c in (True, False):
        feed = {"x": weights(4), "c": np.array(c)}
        old, new = (session(tmp_path / f).run(None, feed)[0] for f in ("old.onnx", "new.onnx"))
        assert np.array_equal(old, new)


@pytest.mark.parametrize("name", ["resnet20", "efficientnet-lite0"])
def test_canonical_form_computes_the_same(shared, tmp_path, name):
    source = shared / f"models/{name}.onnx"
    run(BUILD / "tests/roundtrip", source, tmp_path / "out.onnx", "canonical")
    x = np.random.default_rng(1).standard_normal((2, 3, 224, 224) if "lite" in name else (2, 3, 32, 32)).astype(np.float32)
    a, b = (session(path).run(None, {"image": x})[0] for path in (source, tmp_path / "out.onnx"))
    assert np.abs(a - b).max() < 1e-3 and len(onnx.load(tmp_path / "out.onnx").graph.node) < 100

"""The ONNX reader and writer against the onnx package and onnxruntime."""
import re

import numpy as np
import onnx
import pytest
from conftest import BUILD, ROOT, run, session
from onnx import TensorProto, helper


def test_field_numbers_are_those_of_onnx():
    from onnx import onnx_pb
    messages = {
        "ModelProto": onnx_pb.ModelProto, "OperatorSetIdProto": onnx_pb.OperatorSetIdProto,
        "StringStringEntryProto": onnx_pb.StringStringEntryProto, "GraphProto": onnx_pb.GraphProto,
        "NodeProto": onnx_pb.NodeProto, "AttributeProto": onnx_pb.AttributeProto, "TensorProto": onnx_pb.TensorProto,
        "ValueInfoProto": onnx_pb.ValueInfoProto, "TypeProto": onnx_pb.TypeProto, "TensorTypeProto": onnx_pb.TypeProto.Tensor,
        "TensorShapeProto": onnx_pb.TensorShapeProto, "DimensionProto": onnx_pb.TensorShapeProto.Dimension,
    }
    text = (ROOT / "halftone/onnx/fields.h").read_text()
    checked = 0
    for name, body in re.findall(r"enum class (\w+) : [\w:]+ \{(.*?)\};", text, re.S):
        for field, number in re.findall(r"(\w+) = (\d+)", body):
            if name == "AttributeType":
                assert onnx_pb.AttributeProto.AttributeType.Value(field) == int(number)
            else:
                assert messages[name].DESCRIPTOR.fields_by_name[field].number == int(number), f"{name}.{field}"
            checked += 1
    assert checked > 50


def test_element_types_are_those_of_onnx():
    text = (ROOT / "halftone/graph/dtype.h").read_text()
    found = dict(re.findall(r"k(\w+) = (\d+)", text))
    theirs = {name.replace("_", "").lower(): number for name, number in TensorProto.DataType.items()}
    for name, number in found.items():
        assert theirs[name.lower()] == int(number), name


@pytest.mark.parametrize("name", ["resnet20", "resnet56", "efficientnet-lite0"])
def test_a_model_read_and_written_computes_the_same_bits(shared, tmp_path, name):
    source = shared / f"models/{name}.onnx"
    run(BUILD / "tests/roundtrip", source, tmp_path / "out.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"))
    shape = (2, 3, 224, 224) if "lite" in name else (2, 3, 32, 32)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    a, b = (session(path).run(None, {"image": x})[0] for path in (source, tmp_path / "out.onnx"))
    assert (a == b).all()


def test_control_flow_and_typed_data_survive(tmp_path):
    then_branch = helper.make_graph([helper.make_node("Add", ["x", "one"], ["t"])], "then", [],
                                    [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)])
    else_branch = helper.make_graph([helper.make_node("Mul", ["x", "two"], ["e"])], "else", [],
                                    [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
                                    [helper.make_tensor("two", TensorProto.FLOAT, [2], [2, 2])])
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=then_branch, else_branch=else_branch)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [helper.make_tensor("one", TensorProto.FLOAT, [2], [1, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, doc_string="a note")
    onnx.save(model, tmp_path / "in.onnx")
    run(BUILD / "tests/roundtrip", tmp_path / "in.onnx", tmp_path / "out.onnx")
    again = onnx.load(tmp_path / "out.onnx")
    assert again.doc_string == "a note"
    for c in (True, False):
        feed = {"x": np.array([3, 4], np.float32), "c": np.array(c)}
        a, b = (session(tmp_path / f).run(None, feed)[0] for f in ("in.onnx", "out.onnx"))
        assert (a == b).all()

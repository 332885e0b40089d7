"""Learned rounding, packing and culprits, judged by onnxruntime on the demo's digit classifier."""
import hashlib
import json
import signal
import subprocess
import time

import numpy as np
import onnx
import pytest
from conftest import BUILD, halftone, quantize, session, top1


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_learning_beats_rounding_to_the_nearest(digits, digit_images, tmp_path):
    bits = ("--weights", 2, "--activations", 2, "--fix", "*=2", "--limit", 512)
    plain = quantize(digits, tmp_path / "mse.onnx", *bits, "--method", "mse")
    before = top1(tmp_path / "mse.onnx", *digit_images)
    for method in ("adaround", "brecq", "qdrop"):
        report = quantize(digits, tmp_path / f"{method}.onnx", *bits, "--method", method, "--iterations", 200)
        after = top1(tmp_path / f"{method}.onnx", *digit_images)
        assert after > before, (method, before, after)
        assert report["sqnr_db"] > plain["sqnr_db"], method
        assert all(u["loss_after"] < u["loss_before"] for u in report["units"] if u["improved"])


def test_a_killed_run_goes_on_to_the_same_bytes(digits, tmp_path):
    options = ("--weights", 2, "--activations", 4, "--method", "qdrop", "--iterations", 300, "--limit", 256)
    quantize(digits, tmp_path / "whole.onnx", *options)
    model, data, preprocess = digits
    command = [BUILD / "halftone", "quantize", model, "-o", tmp_path / "pieces.onnx", "--data", data / "train", "--preprocess", preprocess,
               *options, "--checkpoint", tmp_path / "kept", "--resume"]
    killed = 0
    for _ in range(20):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        entries = len(list((tmp_path / "kept").glob("walk-*")))
        while process.poll() is None and len(list((tmp_path / "kept").glob("walk-*"))) == entries:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    assert process.returncode == 0 and killed >= 2
    assert sha(tmp_path / "pieces.onnx") == sha(tmp_path / "whole.onnx")


def test_a_checkpoint_of_another_run_is_refused(digits, tmp_path):
    model, data, preprocess = digits
    command = ["quantize", model, "-o", tmp_path / "out.onnx", "--data", data / "test", "--preprocess", preprocess, "--method", "qdrop",
               "--iterations", 2, "--checkpoint", tmp_path / "kept"]
    halftone(*command)
    again = halftone(*command, check=False)
    assert again.returncode == 1 and "--resume" in again.stderr
    other = halftone(*command, "--resume", "--seed", 5, check=False)
    assert other.returncode == 1 and "seed is 0" in other.stderr and "now it is 5" in other.stderr


def test_time_budget_stops_between_units_with_a_whole_file(digits, digit_images, tmp_path):
    out = tmp_path / "out.onnx"
    model, data, preprocess = digits
    result = halftone("quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--weights", 4, "--method", "qdrop",
                      "--time-budget", "0.01s", "--limit", 128)
    assert "the time is up" in result.stderr
    assert top1(out, *digit_images) > 50


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8])
def test_packed_files_give_the_same_outputs(digits, digit_images, tmp_path, bits):
    wide, small, back = (tmp_path / f"{name}.onnx" for name in ("wide", "small", "back"))
    quantize(digits, wide, "--weights", bits, "--activations", max(bits, 2), "--fix", f"*.weight={bits}", "--limit", 64, "--method", "minmax")
    halftone("pack", wide, "-o", small)
    halftone("unpack", small, "-o", back)
    for exact in (True, False):
        expected = session(wide, exact).run(None, {"image": digit_images[0]})[0]
        assert (session(small, exact).run(None, {"image": digit_images[0]})[0] == expected).all()
        assert (session(back, exact).run(None, {"image": digit_images[0]})[0] == expected).all()
    onnx.checker.check_model(onnx.load(small))
    direct = tmp_path / "direct.onnx"
    quantize(digits, direct, "--weights", bits, "--activations", max(bits, 2), "--fix", f"*.weight={bits}", "--limit", 64, "--method",
             "minmax", "--target", "compact")
    assert onnx.load(direct).graph == onnx.load(small).graph


def test_widths_of_single_channels_pack_too(digits, digit_images, tmp_path):
    wide, small = tmp_path / "wide.onnx", tmp_path / "small.onnx"
    quantize(digits, wide, "--weights", 8, "--limit", 64)
    model = onnx.load(wide)
    records = next(p for p in model.metadata_props if p.key == "halftone.sites")
    sites = json.loads(records.value)
    rng = np.random.default_rng(1)
    for tensor in model.graph.initializer:
        site = tensor.name.removesuffix("_quantized")
        if tensor.data_type != onnx.TensorProto.INT8 or site not in sites:
            continue
        codes = onnx.numpy_helper.to_array(tensor).astype(int)
        axis = sites[site]["axis"]
        widths = rng.integers(2, 9, codes.shape[axis])
        shape = [1] * codes.ndim
        shape[axis] = -1
        reach = (2 ** (widths - 1)).reshape(shape)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.clip(codes, -reach, reach - 1).astype(np.int8), tensor.name))
        sites[site].update(bits=8, channel_bits=widths.tolist())
    records.value = json.dumps(sites)
    onnx.save(model, wide)
    halftone("pack", wide, "-o", small)
    expected = session(wide).run(None, {"image": digit_images[0]})[0]
    assert (session(small).run(None, {"image": digit_images[0]})[0] == expected).all()
    assert small.stat().st_size < 0.8 * wide.stat().st_size


def test_explain_names_the_coarse_site_and_the_remedy(digits, tmp_path):
    plain = quantize(digits, tmp_path / "plain.onnx", "--limit", 64)
    site = next(s["site"] for s in plain["sites"] if s["kind"] == "weight")
    report = quantize(digits, tmp_path / "out.onnx", "--limit", 64, "--fix", f"{site}=2", "--explain", "--method", "minmax")
    worst = report["culprits"][0]
    assert worst["site"] == site and worst["loss_alone"] > 0
    assert worst["remedy"] == f"--fix '{site}=8'"

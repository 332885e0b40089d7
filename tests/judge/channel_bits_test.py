"""Bits of single channels, judged by onnxruntime on the demo's digit classifier."""
import json

import numpy as np
import onnx
import pytest
from conftest import facts, halftone, session
from onnx import numpy_helper


def planned(digits, folder, *options, seed=1, name="wide.onnx"):
    """A file by a plan that draws the bits of every output channel; returns it with {site: bits}."""
    model, data, preprocess = digits
    rng = np.random.default_rng(seed)
    bits = {t.name: rng.integers(1, 9, t.dims[0]).tolist() for t in onnx.load(model).graph.initializer if len(t.dims) > 1}
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"sites": {site: {"channel_bits": widths} for site, widths in bits.items()}}))
    out = folder / name
    report = facts(folder, "quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--plan", plan, "--limit", 128,
                   *options)
    return out, bits, report


def assert_within(path, bits):
    weights = {t.name.removesuffix("_quantized"): numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    for site, widths in bits.items():
        for channel, width in zip(weights[site].astype(int), widths):
            low, high = (-1, 1) if width == 1 else (-64, 64) if width == 8 else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)
            assert channel.min() >= low and channel.max() <= high, (site, width)
            assert width > 1 or (channel != 0).all()


@pytest.mark.parametrize("method", ["minmax", "auto"])
def test_codes_keep_within_the_width_of_their_channel(digits, digit_images, tmp_path, method):
    out, bits, report = planned(digits, tmp_path, "--method", method)
    assert_within(out, bits)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    sites = {s["site"]: s for s in report["sites"] if s["kind"] == "weight"}
    assert {site: s["channel_bits"] for site, s in sites.items()} == bits
    facts(tmp_path, "eval", out, "--data", digits[1] / "test", "--outputs", tmp_path / "y.npy")
    ours, theirs = np.load(tmp_path / "y.npy"), session(out).run(None, {"image": digit_images[0]})[0]
    assert np.abs(ours - theirs).mean() < 0.01 * (theirs.max() - theirs.min())


def test_inspect_recovers_the_widths_and_counts_them(digits, tmp_path):
    out, bits, _ = planned(digits, tmp_path)
    report = facts(tmp_path, "inspect", out)
    assert {s["site"]: s["channel_bits"] for s in report["sites"] if "channel_bits" in s} == bits
    assert sorted(layer["weight_bits"] for layer in report["layers"] if layer["weight_bits"]) == pytest.approx(
        sorted(np.mean(widths) for widths in bits.values()))
    elements = {t.name: np.prod(t.dims) for t in onnx.load(digits[0]).graph.initializer if t.name in bits}
    saved = sum(int(elements[site]) - (int(round(elements[site] * np.mean(widths))) + 7) // 8 for site, widths in bits.items())
    assert report["stored_bytes"] - report["ideal_bytes"] == saved
    halftone("quantize", out, "-o", tmp_path / "again.onnx", "--keep-quantization", "--target", "openvino")
    again = facts(tmp_path, "inspect", tmp_path / "again.onnx")
    assert {s["site"]: s["channel_bits"] for s in again["sites"] if "channel_bits" in s} == bits


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_packed_files_give_the_same_outputs(digits, digit_images, tmp_path, seed):
    wide, bits, _ = planned(digits, tmp_path, "--method", "minmax", seed=seed)
    small, back = tmp_path / "small.onnx", tmp_path / "back.onnx"
    halftone("pack", wide, "-o", small)
    halftone("unpack", small, "-o", back)
    assert_within(back, bits)
    assert small.stat().st_size < wide.stat().st_size
    for exact in (True, False):
        expected = session(wide, exact).run(None, {"image": digit_images[0]})[0]
        assert (session(small, exact).run(None, {"image": digit_images[0]})[0] == expected).all()
    report = facts(tmp_path, "inspect", small)
    assert {s["site"]: s["channel_bits"] for s in report["sites"] if "channel_bits" in s} == bits
    direct, _, _ = planned(digits, tmp_path, "--method", "minmax", "--target", "compact", seed=seed, name="direct.onnx")
    assert onnx.load(direct).graph == onnx.load(small).graph


@pytest.mark.parametrize("method", ["adaround", "brecq", "qdrop"])
def test_methods_that_learn_honour_the_widths(digits, tmp_path, method):
    out, bits, report = planned(digits, tmp_path, "--method", method, "--iterations", 60)
    assert_within(out, bits)
    plain, _, before = planned(digits, tmp_path, "--method", "mse", name="plain.onnx")
    assert any(u["improved"] for u in report["units"]) and report["sqnr_db"] > before["sqnr_db"]
    codes = [{t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer} for path in (out, plain)]
    assert any(not np.array_equal(codes[0][site + "_quantized"], codes[1][site + "_quantized"]) for site in bits)


def test_a_wrong_number_of_widths_names_site_wanted_and_given(digits, tmp_path):
    model, data, preprocess = digits
    (tmp_path / "plan.json").write_text('{"sites": {"fc.weight": {"channel_bits": [2, 3, 4]}}}')
    result = halftone("quantize", model, "-o", tmp_path / "out.onnx", "--data", data / "train", "--preprocess", preprocess, "--plan",
                      tmp_path / "plan.json", check=False)
    assert result.returncode == 1 and not (tmp_path / "out.onnx").exists()
    for part in ("'fc.weight'", "10 output channels", "3 are given"):
        assert part in result.stderr

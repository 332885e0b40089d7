"""quantize and eval against onnxruntime, on the demo's digit classifier."""
import hashlib

import numpy as np
import onnx
import pytest
from conftest import facts, halftone, optimized_operators, quantize, session


def quantized(digits, folder, *options, name="out.onnx"):
    model, data, preprocess = digits
    out = folder / name
    report = facts(folder, "quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, *options)
    return out, report


def test_eval_gives_what_onnxruntime_gives(digits, digit_images, tmp_path):
    model, data, preprocess = digits
    report = facts(tmp_path, "eval", model, "--data", data / "test", "--preprocess", preprocess, "--outputs", tmp_path / "y.npy")
    theirs = session(model).run(None, {"image": digit_images[0]})[0]
    assert np.abs(np.load(tmp_path / "y.npy") - theirs).max() < 1e-4
    assert report["samples"] == len(digit_images[1])
    assert abs(report["top1"] - 100 * (theirs.argmax(1) == digit_images[1]).mean()) < 1e-6


@pytest.mark.parametrize("method", ["auto", "minmax", "mse", "percentile", "entropy", "ema"])
def test_eight_bits_keep_the_accuracy(digits, digit_images, tmp_path, method):
    out, report = quantized(digits, tmp_path, "--method", method)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    images, labels = digit_images
    before = (session(digits[0]).run(None, {"image": images})[0].argmax(1) == labels).mean()
    for exact in (True, False):
        after = (session(out, exact).run(None, {"image": images})[0].argmax(1) == labels).mean()
        assert after >= before - 0.006, (method, exact)
    assert report["bytes_after"] < 0.45 * report["bytes_before"]


@pytest.mark.parametrize("weights,activations", [(8, 8), (4, 8), (4, 4), (3, 3), (2, 2)])
def test_simulation_agrees_with_onnxruntime_at_every_width(digits, digit_images, tmp_path, weights, activations):
    fixes = ("--fix", f"*.weight={weights}") if weights < 8 else ()
    out, _ = quantized(digits, tmp_path, "--weights", weights, "--activations", activations, *fixes)
    facts(tmp_path, "eval", out, "--data", digits[1] / "test", "--outputs", tmp_path / "y.npy")
    ours, theirs = np.load(tmp_path / "y.npy"), session(out).run(None, {"image": digit_images[0]})[0]
    assert np.abs(ours - theirs).mean() < 0.01 * (theirs.max() - theirs.min())
    for name, tensor in ((t.name, onnx.numpy_helper.to_array(t)) for t in onnx.load(out).graph.initializer):
        if name.endswith("weight_quantized"):
            limit = 64 if weights == 8 else 2 ** (weights - 1)
            assert tensor.min() >= -limit and tensor.max() <= (64 if weights == 8 else limit - 1), name


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_onnxruntime_fuses_all_but_what_we_say(digits, tmp_path, bits):
    out, report = quantized(digits, tmp_path, "--activations", bits)
    operators = optimized_operators(out, tmp_path)
    assert operators.count("QLinearConv") == 4 and operators.count("QLinearAdd") == 1 and operators.count("QGemm") == 1
    assert not {"Conv", "Gemm", "Add", "Relu", "GlobalAveragePool"} & set(operators)
    # Below 8 bits the residual Add reads 8 bits, and rounding the same value for the layer is one operator more.
    assert [op["op"] for op in report["float_operators"]] == (["Clip"] if bits < 8 else [])


def test_same_bytes_for_any_number_of_threads(digits, tmp_path):
    digests = set()
    for threads in (1, 2, 3):
        out, _ = quantized(digits, tmp_path, "--threads", threads, name=f"{threads}.onnx")
        digests.add(hashlib.sha256(out.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("target", ["openvino", "tensorrt"])
def test_other_targets_write_files_that_compute_the_same(digits, digit_images, tmp_path, target):
    out, _ = quantized(digits, tmp_path, "--target", target)
    onnx.checker.check_model(onnx.load(out), full_check=True)
    images, labels = digit_images
    assert (session(out).run(None, {"image": images})[0].argmax(1) == labels).mean() > 0.97


def test_fix_keeps_a_site_in_float(digits, tmp_path):
    out, report = quantized(digits, tmp_path, "--weights", 4, "--fix", "stem.*=float", "--fix", "fc.weight=8")
    names = {t.name for t in onnx.load(out).graph.initializer}
    assert "stem.conv.weight_quantized" in names, "stored as int8 although it runs in float"
    assert [op["op"] for op in report["float_operators"]] == ["Conv", "Relu"]
    assert {s["site"]: s["bits"] for s in report["sites"]}["fc.weight"] == 8


def test_metadata_carries_what_later_commands_need(digits, tmp_path):
    out, written = quantized(digits, tmp_path, "--weights", 3, "--activations", 5, "--fix", "*=5", "--fix", "*.weight=3")
    metadata = {p.key: p.value for p in onnx.load(out).metadata_props}
    assert metadata["halftone.preprocess"] == '{"color": "gray"}' and metadata["halftone.target"] == "onnxruntime"
    assert metadata["halftone.format"] == "1" and len(metadata["halftone.source"]) == 16
    assert " samples, " in metadata["halftone.calibration"] and metadata["halftone.method"] == written["method"]
    report = facts(tmp_path, "inspect", out)
    assert {layer["weight_bits"] for layer in report["layers"] if layer["weight_bits"]} == {3}
    assert {layer["activation_bits"] for layer in report["layers"] if layer["op"] == "Conv"} == {5}
    assert report["ideal_bytes"] < report["stored_bytes"]


def test_errors_say_what_to_do_and_leave_nothing(digits, tmp_path):
    model, data, preprocess = digits
    out, _ = quantized(digits, tmp_path)
    good = ["--data", data / "train", "--preprocess", preprocess]
    new = tmp_path / "new.onnx"
    (tmp_path / "plan.json").write_text('{"sites": {\n"stem.conv.wieght": 4}}')
    (tmp_path / "broken.json").write_text('{"sites": ')
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 8, 8), np.float32))
    cases = [
        (["quantize", out, "-o", new, *good], ["quantized already", "--requantize"], 1),
        (["quantize", model, "-o", new, *good, "--weights", 9], ["--weights 9"], 2),
        (["quantize", model, "-o", new, *good, "--target", "toaster"], ["toaster", "onnxruntime"], 2),
        (["quantize", model, "-o", new, *good, "--fix", "nothing*=8"], ["nothing*"], 2),
        (["quantize", model, "-o", new, *good, "--plan", tmp_path / "plan.json"], ["line 2", "stem.conv.weight"], 1),
        (["quantize", model, "-o", new, *good, "--target", "tensorrt", "--activations", 4], ["tensorrt", "4-bit"], 2),
        (["quantize", model, "-o", new, "--data", data / "train"], ["--preprocess"], 1),
        (["quantize", model, "-o", tmp_path, *good], ["is a folder"], 2),
        (["quantize", model, "-o", new, *good, "--json", tmp_path / "none/facts.json"], ["none", "does not exist"], 1),
        (["quantize", model, "-o", new, *good, "--wieghts", 4], ["--wieghts", "did you mean '--weights'"], 2),
        (["quantize", model, "-o", new, *good, "--plan", tmp_path / "broken.json"], ["broken.json", "not JSON", "line 1"], 1),
        (["run", model, "--input", tmp_path / "x.npy", "-o", tmp_path / "x.npy"], ["x.npy", "nothing is lost"], 2),
        (["run", out, "--input", tmp_path / "x.npy", "-o", new, "--json", new], ["two results"], 2),
        (["eval", model, "--data", tmp_path / "x.npy", "--outputs", tmp_path / "x.npy"], ["x.npy", "nothing is lost"], 2),
        (["pack", out, "-o", tmp_path / "none/packed.onnx"], ["none", "does not exist"], 1),
        (["eval", tmp_path / "none.onnx", *good], ["none.onnx"], 1),
        (["frobnicate"], [], 2),
        (["quantise", model], ["did you mean 'quantize'"], 2),
    ]
    for arguments, words, code in cases:
        result = halftone(*arguments, check=False)
        assert result.returncode in (1, 2) and result.stderr.startswith("halftone: "), arguments
        assert result.returncode == code, (arguments, result.stderr)
        assert all(word in result.stderr for word in words), result.stderr
        assert "json.exception" not in result.stderr
        assert not new.exists()


def test_a_recipe_gives_the_options_of_its_verbs(digits, tmp_path):
    recipe, first, second = tmp_path / "recipe.toml", tmp_path / "first.onnx", tmp_path / "second.onnx"
    recipe.write_text('[quantize]\nweights = 4\nmethod = "mse"\nfix = ["*=8"]\n\n[eval]\nlimit = 10\n')
    quantize(digits, first, "--config", recipe, "--activations", 8)
    quantize(digits, second, "--weights", 4, "--method", "mse", "--fix", "*=8", "--activations", 8)
    assert first.read_bytes() == second.read_bytes()
    overruled = quantize(digits, first, "--config", recipe, "--method", "minmax")
    assert overruled["method"] == "minmax"
    told = facts(tmp_path, "eval", first, "--data", digits[1] / "test", "--config", recipe)
    assert told["samples"] == 10
    recipe.write_text("[quantize]\nwieghts = 4\n")
    wrong = halftone("quantize", digits[0], "-o", second, "--data", digits[1] / "train", "--config", recipe, check=False)
    assert wrong.returncode == 2 and "wieghts" in wrong.stderr

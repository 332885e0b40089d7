"""`train` from outside: what it writes is what onnxruntime runs, a kill loses nothing, refusals say what to do."""
import hashlib
import json
import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import BUILD, facts, halftone, session, top1


def arguments(digits, out, *options, bits=2):
    model, data, preprocess = digits
    return ["train", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--weights", bits, "--activations", bits,
            "--batch", 32, *([] if "--augment" in options else ["--augment", "none"]), *options]


def test_two_bits_of_the_digits(digits, digit_images, tmp_path):
    out, simulated = tmp_path / "w2a2.onnx", tmp_path / "sim.npy"
    told = facts(tmp_path, *arguments(digits, out, "--guide", "distill", "--epochs", 8))
    images, labels = digit_images
    assert top1(out, images, labels) > 90
    assert told["quantizer"] == "lsq" and len(told["epochs"]) == 8
    halftone("eval", out, "--data", digits[1] / "test", "--outputs", simulated)
    ours, theirs = np.load(simulated), session(out).run(None, {"image": images})[0]
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.99


@pytest.mark.parametrize("guide", ["none", "block-replacement"])
def test_killed_and_resumed_gives_the_same_bytes(digits, tmp_path, guide):
    def command(out, kept):
        return [str(x) for x in [BUILD / "halftone", *arguments(digits, out, "--guide", guide, "--epochs", 6, "--lower-bits", 4,
                                                                "--checkpoint", kept, "--resume")]]

    whole, pieces = tmp_path / "whole.onnx", tmp_path / "pieces.onnx"
    begin = time.time()
    subprocess.run(command(whole, tmp_path / "kept"), check=True, capture_output=True)
    full = time.time() - begin
    for share in (0.5, 0.7, None):
        process = subprocess.Popen(command(pieces, tmp_path / "kept-pieces"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(None if share is None else full * share)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert hashlib.sha256(whole.read_bytes()).digest() == hashlib.sha256(pieces.read_bytes()).digest()


def test_thresholds_alone_without_labels(digits, digit_images, tmp_path):
    model, data, preprocess = digits
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted((data / "train").rglob("*.png"))):
        (flat / f"{i:05}.png").write_bytes(path.read_bytes())
    out = tmp_path / "fat.onnx"
    told = facts(tmp_path, "train", model, "-o", out, "--data", flat, "--preprocess", preprocess, "--quantizer", "fat", "--epochs", 2)
    assert told["guide"] == "rmse" and "top1_after" not in told
    images, labels = digit_images
    assert top1(out, images, labels) >= top1(model, images, labels) - 1


def test_metrics_come_line_by_line(digits, tmp_path):
    lines = tmp_path / "m.jsonl"
    halftone(*arguments(digits, tmp_path / "o.onnx", "--epochs", 2, "--metrics", lines))
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["epoch"] for row in rows if row["event"] == "epoch"] == [1, 2]


@pytest.mark.parametrize("options, words", [
    (["--quantizer", "nothing"], "known are"),
    (["--guide", "nothing"], "block-replacement"),
    (["--epochs", 0], "1 or more"),
    (["--lower-bits", "2,4"], "from many to few"),
    (["--augment", "turn"], "crop, flip"),
    (["--schedule", "nothing"], "cosine"),
    (["--learning-rate", -1], "above 0"),
    (["--momentum", 2], "below 1"),
])
def test_refusals_say_what_to_do(digits, tmp_path, options, words):
    out = tmp_path / "o.onnx"
    result = halftone(*arguments(digits, out, *options), check=False)
    assert result.returncode == 2 and words in result.stderr, result.stderr
    assert not out.exists()

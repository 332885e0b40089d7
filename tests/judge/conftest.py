"""What the judge tests share: the binary under test, data that they make, onnxruntime."""
import json
import os
import pathlib
import subprocess

import numpy as np
import onnx
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HALFTONE_BUILD", ROOT / "build/release"))
SHARED = ROOT.parent / "shared"


def run(*command, check=True):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stderr
    return result


def halftone(*arguments, check=True):
    return run(BUILD / "halftone", *arguments, check=check)


def has_verb(name):
    """Whether this build has it: without LibTorch some are left out."""
    return f"\n  {name} " in halftone("--help").stdout


def facts(folder, *arguments):
    path = folder / "facts.json"
    halftone(*arguments, "--json", path)
    return json.loads(path.read_text())


def session(path, exact=True):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def quantize(digits, out, *options):
    """The demo's network quantized to `out`; returns the facts."""
    model, data, preprocess = digits
    return facts(out.parent, "quantize", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, *options)


def top1(path, images, labels):
    """Percent, by onnxruntime's exact mode."""
    return 100 * (session(path).run(None, {"image": images})[0].argmax(1) == labels).mean()


def optimized_operators(path, folder):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The demo's network and data: (model, data folder, preprocess file)."""
    folder = tmp_path_factory.mktemp("digits")
    import sys
    run(sys.executable, ROOT / "examples/digits/make_data.py", folder)
    return ROOT / "examples/digits/digits.onnx", folder, ROOT / "examples/digits/preprocess.json"


@pytest.fixture(scope="session")
def digit_images(digits):
    from PIL import Image
    files = sorted((digits[1] / "test").rglob("*.png"))
    images = np.stack([np.asarray(Image.open(f), np.float32)[None] / 255 for f in files])
    return images, np.array([int(f.parent.name) for f in files])


@pytest.fixture(scope="session")
def shared():
    if not SHARED.is_dir():
        pytest.skip("../shared is not there")
    return SHARED

"""What goes wrong around quantize: each failure says what to do, and an older output file stays as it was."""
import shutil
import signal
import subprocess

import numpy as np
import onnx
import pytest
from conftest import BUILD, halftone
from onnx import numpy_helper


@pytest.fixture
def old_output(tmp_path):
    """An output file of an earlier run."""
    path = tmp_path / "out.onnx"
    path.write_bytes(b"an older result")
    return path


def quantize(digits, out, *, model=None, data=None, before=()):
    """`before`: a command that runs halftone inside a limit."""
    trained, folder, preprocess = digits
    command = [*before, BUILD / "halftone", "quantize", model or trained, "-o", out, "--data", data or folder / "train",
               "--preprocess", preprocess, "--limit", 64, "--method", "minmax"]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def expect_error(result, *words):
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("halftone: ") == 1
    for word in words:
        assert word in result.stderr, result.stderr


def test_a_kill_during_writing_leaves_the_old_file(digits, old_output):
    # Writing beyond the limit kills the process, so it dies in the middle of the file.
    result = quantize(digits, old_output, before=["prlimit", "--fsize=2000"])
    assert result.returncode == -signal.SIGXFSZ
    assert old_output.read_bytes() == b"an older result"


def test_a_refused_write_leaves_the_old_file_and_nothing_else(digits, old_output):
    # With the signal ignored the same limit is an error of write().
    result = quantize(digits, old_output, before=["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=2000"])
    expect_error(result, str(old_output), "File too large")
    assert old_output.read_bytes() == b"an older result"
    assert [p.name for p in old_output.parent.iterdir()] == ["out.onnx"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(digits, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        (disk / "out.onnx").write_bytes(b"an older result")
        expect_error(quantize(digits, disk / "out.onnx"), str(disk / "out.onnx"), "No space left on device")
        assert (disk / "out.onnx").read_bytes() == b"an older result"
        assert [p.name for p in disk.iterdir()] == ["out.onnx"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_unreadable_folder_is_named(digits, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0)
    # root reads everything unless the right to is taken away.
    unprivileged = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if subprocess.run([*unprivileged, "true"], capture_output=True).returncode:
        unprivileged = []
    expect_error(quantize(digits, tmp_path / "new.onnx", data=folder, before=unprivileged), str(folder), "Permission denied")


def test_an_empty_class_folder_is_named(digits, tmp_path):
    shutil.copytree(digits[1] / "train", tmp_path / "data")
    (tmp_path / "data" / "eleven").mkdir()
    expect_error(quantize(digits, tmp_path / "new.onnx", data=tmp_path / "data"), "data/eleven", "--classes")


def test_missing_class_folders_are_told(digits, tmp_path):
    shutil.copytree(digits[1] / "test", tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "0")
    result = halftone("eval", digits[0], "--data", tmp_path / "data", "--preprocess", digits[2])
    assert "9 class folders" in result.stderr and "10 outputs" in result.stderr and "--classes" in result.stderr
    (tmp_path / "classes.tsv").write_text("".join(f"{i}\t{i}\t{i}\n" for i in range(10)))
    named = halftone("eval", digits[0], "--data", tmp_path / "data", "--preprocess", digits[2], "--classes", tmp_path / "classes.tsv")
    assert "warning" not in named.stderr


def test_a_weight_that_is_not_finite_is_named(digits, tmp_path):
    model = onnx.load(digits[0])
    weight = next(i for i in model.graph.initializer if len(i.dims) == 4)
    values = numpy_helper.to_array(weight).copy()
    values.flat[3] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "nan.onnx")
    expect_error(quantize(digits, tmp_path / "new.onnx", model=tmp_path / "nan.onnx"), weight.name, "position 3")


def test_samples_of_another_shape_are_told_beside_what_the_model_takes(digits, tmp_path):
    np.savez(tmp_path / "samples.npz", image=np.zeros((4, 1, 9, 7), np.float32))
    result = halftone("quantize", digits[0], "-o", tmp_path / "new.onnx", "--data", tmp_path / "samples.npz", check=False)
    expect_error(result, "samples.npz", "'image'", "1,9,7", "1,8,8")


def test_activations_that_are_not_finite_name_site_and_samples(digits, tmp_path):
    images = np.zeros((4, 1, 8, 8), np.float32)
    images[2, 0, 1, 1] = np.inf
    np.savez(tmp_path / "samples.npz", image=images)
    result = halftone("quantize", digits[0], "-o", tmp_path / "new.onnx", "--data", tmp_path / "samples.npz", check=False)
    expect_error(result, "'image' is NaN or infinite", "samples.npz")


def test_no_calibration_images_is_a_usage_error(digits, tmp_path):
    result = halftone("quantize", digits[0], "-o", tmp_path / "new.onnx", "--data", digits[1] / "train", "--limit", 0,
                      check=False)
    assert result.returncode == 2
    assert "--limit" in result.stderr and "at least 1" in result.stderr, result.stderr

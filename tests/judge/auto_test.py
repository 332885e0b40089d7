"""The ladder of methods and validation data, judged by onnxruntime on the demo's digit classifier."""
from conftest import facts, halftone, quantize, top1


def test_validated_figures_are_those_of_onnxruntime(digits, digit_images, tmp_path):
    model, data, _ = digits
    report = quantize(digits, tmp_path / "q.onnx", "--weights", 3, "--activations", 4, "--method", "mse", "--validate", data / "test")
    images, labels = digit_images
    assert report["compared_samples"] == len(labels)
    one_answer = 100 / len(labels) + 1e-6  # ties of quantized logits may fall either way
    assert abs(report["top1_before"] - top1(model, images, labels)) < one_answer
    assert abs(report["top1_after"] - top1(tmp_path / "q.onnx", images, labels)) <= one_answer


def test_auto_climbs_until_the_drop_is_small_enough(digits, digit_images, tmp_path):
    _, data, _ = digits
    low = ("--weights", 2, "--activations", 2, "--fix", "*=2", "--limit", 512, "--iterations", 200, "--validate", data / "test")
    easy = quantize(digits, tmp_path / "easy.onnx", *low, "--max-drop", 100)
    assert [r["method"] for r in easy["rungs"]] == ["corrected"] and easy["rungs"][0]["met"]
    hard = quantize(digits, tmp_path / "hard.onnx", *low, "--max-drop", 0.5)
    assert [r["method"] for r in hard["rungs"]] == ["corrected", "qdrop"]
    assert hard["top1_after"] == max(r["top1_after"] for r in hard["rungs"])
    assert top1(tmp_path / "hard.onnx", *digit_images) > top1(tmp_path / "easy.onnx", *digit_images)


def test_max_drop_in_decibels_goes_by_noise(digits, tmp_path):
    report = quantize(digits, tmp_path / "q.onnx", "--max-drop", "5dB")
    assert [r["met"] for r in report["rungs"]] == [True] and report["sqnr_db"] >= 5


def test_max_drop_is_for_ladders_and_says_so(digits, tmp_path):
    model, data, preprocess = digits
    given = ("quantize", model, "-o", tmp_path / "q.onnx", "--data", data / "train", "--preprocess", preprocess)
    wrong = halftone(*given, "--method", "mse", "--max-drop", "1", check=False)
    assert wrong.returncode == 2 and "--method auto" in wrong.stderr
    assert halftone(*given, "--max-drop", "much", check=False).returncode == 2
    assert not (tmp_path / "q.onnx").exists()


def test_sensitivity_ranks_sites_of_a_float_model_alone(digits, tmp_path):
    model, data, preprocess = digits
    how = ("--sensitivity", "--data", data / "train", "--preprocess", preprocess)
    report = facts(tmp_path, "inspect", model, *how, "--weights", 3)
    losses = [c["loss_alone"] for c in report["culprits"]]
    assert losses == sorted(losses, reverse=True) and losses[0] > 0
    assert {c["site"] for c in report["culprits"]} <= {s["site"] for s in report["sites"]}
    quantize(digits, tmp_path / "q.onnx", "--method", "minmax")
    refused = halftone("inspect", tmp_path / "q.onnx", *how, check=False)
    assert refused.returncode == 1 and "quantized already" in refused.stderr

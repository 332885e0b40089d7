"""Bits under hard budgets, the written files measured from outside, on the demo's digit classifier."""
import json

import numpy as np
import onnx
import pytest
from conftest import ROOT, facts, halftone, top1
from onnx import numpy_helper

METHODS = ["fisher", "hessian", "kl", "ompq", "projection", "sqnr"]


def with_data(digits):
    model, data, preprocess = digits
    return model, "--data", data / "train", "--preprocess", preprocess, "--limit", 64


def allocate(digits, folder, *options, name="plan.json"):
    plan = folder / name
    return plan, facts(folder, "allocate", *with_data(digits), "-o", plan, *options)


def quantize(digits, folder, plan, *options):
    out = folder / "out.onnx"
    return out, facts(folder, "quantize", *with_data(digits), "-o", out, "--plan", plan, "--method", "mse", *options)


def weight_codes(path):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer if t.name.endswith("weight_quantized")}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_budget_in_the_written_file(digits, tmp_path, method):
    plan, report = allocate(digits, tmp_path, "--method", method, "--average-bits", 3.5)
    assert report["average_weight_bits"] <= 3.5 and report["method"] == method
    out, quantized = quantize(digits, tmp_path, plan)
    planned = {s["site"]: s["bits"] for s in report["sites"] if s["kind"] == "weight"}
    assert {s["site"]: s["bits"] for s in quantized["sites"] if s["kind"] == "weight"} == planned
    free = {s["site"]: s for s in report["sites"] if s["kind"] == "weight" and not s["fixed"]}
    codes = weight_codes(out)
    for site, entry in free.items():
        values = codes[site + "_quantized"].astype(int)
        assert values.size == entry["elements"]
        assert values.min() >= -(2 ** (entry["bits"] - 1)) and values.max() < 2 ** (entry["bits"] - 1) + (entry["bits"] == 1)
    mean = sum(s["bits"] * s["elements"] for s in free.values()) / sum(s["elements"] for s in free.values())
    assert mean == pytest.approx(report["average_weight_bits"])
    assert report["budgets"] == [{"name": "average_weight_bits", "limit": 3.5, "used": report["average_weight_bits"]}]


@pytest.mark.parametrize("kilobytes", [7, 9, 14])
def test_weight_bytes_are_those_of_the_compact_file(digits, tmp_path, kilobytes):
    plan, report = allocate(digits, tmp_path, "--method", "kl", "--weight-size", f"{kilobytes}kB")
    assert report["weight_bytes"] <= 1000 * kilobytes
    small, _ = quantize(digits, tmp_path, plan, "--target", "compact")
    inspected = facts(tmp_path, "inspect", small)
    elements = {s["site"]: s["elements"] for s in report["sites"] if s["kind"] == "weight"}
    bits = {s["site"]: s["bits"] for s in inspected["sites"] if s["kind"] == "weight"}
    assert sum(elements[site] * bits[site] for site in elements) / 8 <= 1000 * kilobytes
    assert small.stat().st_size <= 1000 * kilobytes + 700 * len(elements) + 20000


def test_an_infeasible_budget_says_the_smallest_feasible_one(digits, tmp_path):
    result = halftone("allocate", *with_data(digits), "-o", tmp_path / "plan.json", "--method", "kl", "--weight-size", "1kB", check=False)
    assert result.returncode == 1 and "smallest feasible" in result.stderr and not (tmp_path / "plan.json").exists()
    smallest = int(result.stderr.split("(")[2].split(" bytes")[0])
    _, report = allocate(digits, tmp_path, "--method", "projection", "--weight-size", f"{smallest}")
    assert report["weight_bytes"] == smallest
    short = halftone("allocate", *with_data(digits), "-o", tmp_path / "none.json", "--method", "projection", "--weight-size", f"{smallest - 1}",
                     check=False)
    assert short.returncode == 1 and f"({smallest} bytes)" in short.stderr


def test_a_plan_of_another_network_or_over_its_budget_is_refused(digits, tmp_path):
    model, *data = with_data(digits)
    plan, _ = allocate(digits, tmp_path, "--method", "projection", "--average-bits", 4)
    content = json.loads(plan.read_text())

    def refused(sites):
        (tmp_path / "other.json").write_text(json.dumps(dict(content, sites=sites)))
        result = halftone("quantize", model, *data, "-o", tmp_path / "out.onnx", "--plan", tmp_path / "other.json", check=False)
        assert result.returncode == 1 and not (tmp_path / "out.onnx").exists()
        return result.stderr

    free = next(site for site in content["sites"] if site not in content["budget"]["outside_average"])
    renamed = {site + ".other" if site == free else site: bits for site, bits in content["sites"].items()}
    assert f"no site '{free}.other'" in refused(renamed) and f"did you mean '{free}'" in refused(renamed)
    assert f"no bits for 1 weights of this network: '{free}'" in refused({s: b for s, b in content["sites"].items() if s != free})
    assert "average weight bits of at most 4" in refused({site: 8 for site in content["sites"]})


def test_activations_and_bit_operations_are_budgets_too(digits, tmp_path):
    _, whole = allocate(digits, tmp_path, "--method", "projection", "--average-bits", 8)
    plan, report = allocate(digits, tmp_path, "--method", "sqnr", "--average-bits", 4, "--average-activation-bits", 5, "--bops",
                            f"{whole['bops'] // 2}")
    assert [b["name"] for b in report["budgets"]] == ["average_weight_bits", "average_activation_bits", "bops"]
    assert all(b["used"] <= b["limit"] for b in report["budgets"])
    _, quantized = quantize(digits, tmp_path, plan)
    shown = {s["site"]: s["bits"] for s in quantized["sites"]}
    assert all(shown[s["site"]] == s["bits"] for s in report["sites"])


def test_widths_fixes_blocks_and_ties(digits, tmp_path):
    _, powers = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 4.5, "--bits", "2,4,8")
    assert {s["bits"] for s in powers["sites"] if s["kind"] == "weight"} <= {2, 4, 8}
    free = [s["site"] for s in powers["sites"] if s["kind"] == "weight" and not s["fixed"]]
    _, fixed = allocate(digits, tmp_path, "--method", "projection", "--average-bits", 4.5, "--fix", f"{free[0]}=7")
    assert {s["site"]: s["bits"] for s in fixed["sites"]}[free[0]] == 7
    _, tied = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 4.5, "--tie", "*")
    assert len({s["bits"] for s in tied["sites"] if s["site"] in free}) == 1
    _, blocks = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 4.5, "--granularity", "block")
    assert blocks["average_weight_bits"] <= 4.5
    plan, channels = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 4.5, "--granularity", "channels")
    assert channels["average_weight_bits"] <= 4.5 and any(s["site"].endswith("[1]") for s in channels["sites"])
    quantize(digits, tmp_path, plan)  # which checks the budget on the file


def test_sensitivities_are_measured_once_and_the_sweep_draws_them(digits, tmp_path):
    kept, picture = tmp_path / "kl.json", tmp_path / "curve.html"
    plan, first = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 4, "--save-sensitivities", kept)
    model = digits[0]
    again = facts(tmp_path, "allocate", model, "-o", tmp_path / "again.json", "--method", "kl", "--average-bits", 4, "--sensitivities", kept)
    assert (tmp_path / "again.json").read_bytes() == plan.read_bytes() and again["sites"] == first["sites"]
    sweep = facts(tmp_path, "allocate", model, "--method", "kl", "--sensitivities", kept, "--sweep", "2:8:0.25", "--picture", picture)["sweep"]
    early = halftone("allocate", model, "--method", "kl", "--data", tmp_path / "none", "--sweep", "1:8:1", check=False)
    assert early.returncode == 1 and "an average of 1 weight bits cannot be met" in early.stderr, "before it looks at data"
    assert len(sweep) == 25 and all(point["average_weight_bits"] <= point["limit"] + 1e-9 for point in sweep)
    losses = [point["loss"] for point in sweep]
    assert losses == sorted(losses, reverse=True)
    assert picture.read_text().count("<circle") == 25
    parts = facts(tmp_path, "allocate", model, "--method", "kl", "--sensitivities", kept, "--granularity", "channels", "--sweep", "2:8:1",
                  "--picture", picture)["sweep"]
    assert len({tuple(point["bits"]) for point in parts}) == 1, "every point is of the same sites"
    assert picture.read_text().count("<rect") == 7 * len(parts[0]["bits"])
    wrong = halftone("allocate", model, "-o", tmp_path / "no.json", "--method", "sqnr", "--average-bits", 4, "--sensitivities", kept, check=False)
    assert wrong.returncode == 1 and "of the method \"kl\", not 'sqnr'" in wrong.stderr


def test_measured_bits_beat_uniform_ones(digits, digit_images, tmp_path):
    plan, _ = allocate(digits, tmp_path, "--method", "kl", "--average-bits", 2.5)
    out, mixed = quantize(digits, tmp_path, plan)
    model, *data = with_data(digits)
    two = facts(tmp_path, "quantize", model, *data, "-o", tmp_path / "two.onnx", "--weights", 2, "--method", "mse")
    assert mixed["sqnr_db"] > two["sqnr_db"]
    assert top1(out, *digit_images) > 50


def test_help_and_docs_name_every_method_and_solver(tmp_path):
    text, page = halftone("allocate", "--help").stdout, (ROOT / "docs/methods.md").read_text()
    for name in METHODS + ["exact", "dual", "greedy"]:
        assert f"{name}: " in text and f"`{name}`" in page, name


def test_one_width_is_no_choice(digits, tmp_path):
    plan = tmp_path / "plan.json"
    for options in (["--average-bits", 4, "--bits", 4], ["--average-bits", 4, "--average-activation-bits", 4, "--activation-bits", 4]):
        refused = halftone("allocate", *with_data(digits), "-o", plan, *options, check=False)
        assert refused.returncode == 2 and "nothing to decide" in refused.stderr and not plan.exists()


def test_training_decides_bits_under_bit_operations_and_draws_them(digits, tmp_path):
    model, data, preprocess = digits
    _, whole = allocate(digits, tmp_path, "--method", "projection", "--average-bits", 8)
    history, picture, out = tmp_path / "bits.jsonl", tmp_path / "bits.html", tmp_path / "out.onnx"
    command = ["train", model, "-o", out, "--data", data / "train", "--preprocess", preprocess, "--batch", 32, "--epochs", 2,
               "--activations", 8, "--allocate", "qbitopt", "--bops", whole["bops"] // 2, "--bits-picture", picture]
    alone = halftone(*command, check=False)
    assert alone.returncode == 2 and "--bits-history" in alone.stderr
    idle = halftone(*command[:-6], "--bits-history", history, check=False)
    assert idle.returncode == 2 and "--allocate qbitopt" in idle.stderr
    told = facts(tmp_path, *command, "--bits-history", history)
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert lines[0]["step"] == 0 and len(lines) > 2
    assert picture.read_text().count("<rect") == len(lines) * len(lines[0]["bits"])
    shown = {s["site"]: s["bits"] for s in told["sites"]}
    assert all(shown[site] == bits for site, bits in lines[-1]["bits"].items())
    assert sum(layer["bops"] for layer in facts(tmp_path, "inspect", out)["layers"]) <= whole["bops"] // 2

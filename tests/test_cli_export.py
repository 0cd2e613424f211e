"""The command line hands runs on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset, load_dataset
from vitcore.pipeline import train
from vitcore.runs import load_run
from vitcore.training import Hyperparameters


@pytest.fixture
def run(picture_folder, tiny_backbone):
    dataset = import_dataset(picture_folder(), name="Photos")
    return train(dataset, Hyperparameters(epochs=3, validation_fraction=0.5), compute=Compute(tiny_backbone))


@pytest.fixture
def ask(capsys):
    """Runs a command with --json and gives its answer, which must be all there is on stdout."""

    def ask(*arguments):
        capsys.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        [line] = capsys.readouterr().out.splitlines()
        return json.loads(line)

    return ask


def files_of(run) -> list[Path]:
    dataset = load_dataset(run.config.dataset.id)
    return [dataset.path(file) for file in run.predictions["file"]]


@pytest.mark.thorough
def test_an_onnx_export_answers_on_its_own_as_predict_does(ask, run, tmp_path):
    answer = ask("export", run.id, "--format", "onnx", "--out", tmp_path / "out", "--images", 10)
    assert answer["folder"] == str(tmp_path / "out")
    assert answer["opset"] >= 18
    names = {
        "README.md",
        "agreement.json",
        "model-fp16.onnx",
        "model-int8.onnx",
        "model.onnx",
        "predict.py",
    }
    assert {file["name"]: file["bytes"] for file in answer["files"]} == {
        path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()
    }
    assert {file["name"] for file in answer["files"]} == names
    exact, half, small = answer["agreement"]
    assert (exact["kind"], exact["images"], exact["changed"], exact["same_labels"]) == ("onnx", 50, 40, 1.0)
    assert exact["largest_difference"] < 1e-3
    assert (half["kind"], half["same_labels"]) == ("onnx fp16", 1.0)
    assert half["largest_difference"] < 1e-2
    assert small["kind"] == "onnx int8"
    sizes = {file["name"]: file["bytes"] for file in answer["files"]}
    assert sizes["model-fp16.onnx"] < 0.7 * sizes["model.onnx"]

    files = files_of(run)
    done = subprocess.run(
        [sys.executable, "predict.py", *files],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    expected = ask("predict", run.id, *files)["predictions"]
    assert [line["path"] for line in lines] == list(map(str, files))
    assert [line["label"] for line in lines] == [row["label"] for row in expected]
    for line, row in zip(lines, expected, strict=True):
        assert line["probabilities"] == pytest.approx(row["probabilities"], abs=1e-3)


def test_a_model_export_predicts_as_its_run_does(ask, run, tmp_path):
    answer = ask("export", run.id, "--format", "model", "--out", tmp_path / "out", "--images", 2)
    assert answer["opset"] is None
    assert [found["kind"] for found in answer["agreement"]] == ["model", "bf16"]
    predictions = ask("predict", tmp_path / "out", *files_of(run))["predictions"]
    expected = ask("predict", run.id, *files_of(run))["predictions"]
    found, wanted = (
        np.array([[row["probabilities"][label] for label in run.classes] for row in rows])
        for rows in (predictions, expected)
    )
    assert np.abs(found - wanted).max() < 1e-6
    assert np.abs(found - run.probabilities).max() > 1e-3  # it has learned from these since


def test_without_json_it_says_what_it_made(run, tmp_path, capsys):
    assert main(["export", run.id, "--format", "model", "--out", str(tmp_path / "out"), "--images", "2"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{tmp_path / 'out'}\n  README.md  ")
    assert "model: the same label for 100.0% of 10 images" in text


def test_a_full_folder_is_refused_in_one_line(run, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    assert main(["export", run.id, "--format", "onnx", "--out", str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == (
        f"vitcore: {tmp_path / 'out'} is there already and not empty; give a new folder."
    )
    assert load_run(run.id).has_model


@pytest.mark.parametrize("options", [[], ["--format", "pickle", "--out", "x"], ["--format", "onnx"]])
def test_wrong_usage_is_refused(options):
    with pytest.raises(SystemExit, match="2"):
        main(["export", "id", *options])

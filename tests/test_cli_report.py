"""The command that writes a report."""

import json
from pathlib import Path

import pytest

from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.pipeline import train
from vitcore.training import Hyperparameters


@pytest.fixture
def run_id(picture_folder, tiny_backbone):
    dataset = import_dataset(picture_folder(count=6))
    return train(dataset, Hyperparameters(epochs=2), compute=Compute(tiny_backbone)).id


def test_report_answers_where_it_is_and_how_large(run_id, tmp_path, capsys):
    file = tmp_path / "report.html"
    assert main(["report", run_id, "--out", str(file), "--language", "es", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    answer = json.loads(lines[0])
    assert answer == {"file": str(file), "bytes": file.stat().st_size, "language": "es"}
    assert '<html lang="es">' in file.read_text(encoding="utf-8")


@pytest.mark.thorough
def test_report_is_english_unless_told_otherwise(run_id, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", run_id, "--out", "report.html"]) == 0
    assert str(tmp_path / "report.html") in capsys.readouterr().out
    assert '<html lang="en">' in Path("report.html").read_text(encoding="utf-8")


def test_report_of_nothing_is_refused_in_one_line(tmp_path, capsys):
    assert main(["report", "nothing", "--out", str(tmp_path / "r.html")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["vitcore: There is no run 'nothing' (newest: none yet)."]


@pytest.mark.parametrize("arguments", [["x"], ["x", "--out", "r.html", "--language", "fr"]])
def test_report_wants_a_file_and_a_language_that_there_is(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", *arguments])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err or "--language" in capsys.readouterr().err

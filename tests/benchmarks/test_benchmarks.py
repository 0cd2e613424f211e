"""The benchmarks: what they print and how they are called; what they measure is no test's business."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import BENCHMARKS, Row, Setting, machine
from benchmarks.__main__ import main
from benchmarks._rows import side_by_side
from benchmarks._setting import PassCounter
from vitcore.progress import Meter

ROOT = Path(__file__).parents[2]
KEYS = ["name", "value", "unit", "baseline", "ratio", "machine"]


@pytest.fixture
def tiny(tmp_path, tiny_backbone):
    return Setting(scratch=tmp_path, backbone=tiny_backbone, images=40)


@pytest.fixture(autouse=True)
def no_photos(monkeypatch):
    monkeypatch.delenv("VITCORE_PHOTOS", raising=False)


def test_a_row_has_what_is_promised():
    row = Row(name="speed", value=3.0, unit="s", baseline=2.0).to_dict("a machine")
    assert list(row) == KEYS
    assert row["ratio"] == 1.5


@pytest.mark.parametrize("baseline", [None, 0.0])
def test_without_a_baseline_there_is_no_ratio(baseline):
    assert Row(name="speed", value=3.0, unit="s", baseline=baseline).ratio is None


def test_the_machine_is_one_line():
    assert "torch" in machine()
    assert "core" in machine()
    assert len(machine().splitlines()) == 1


def test_two_things_are_measured_in_turn():
    order = []
    ours, theirs = iter([1.0, 9.0, 2.0]), iter([5.0, 4.0, 6.0])

    def measure(name, values):
        order.append(name)
        return next(values)

    medians = side_by_side(lambda: measure("a", ours), lambda: measure("b", theirs), repeats=3)
    assert medians == (2.0, 5.0)
    assert order == ["a", "b", "a", "b", "a", "b"]


def test_forward_passes_are_counted_without_those_that_were_stored():
    counter = PassCounter()
    for done, total in ((0, 20), (12, 52)):  # two phases of embedding, the second with 12 in the store
        meter = Meter(counter, "embed", total, done=done)
        meter.add(total - done - 5)
        meter.add(5)
    Meter(counter, "fit", 20, unit="epochs").add(20)
    assert counter.passes == 20 + 40


def test_the_list_names_all_with_one_sentence_each(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(BENCHMARKS)
    assert all(line.endswith(".") for line in lines)


def test_an_unknown_name_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as left:
        main(["second-training", "third-training"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "'third-training'" in said
    assert all(name in said for name in BENCHMARKS)


@pytest.mark.parametrize("count", ["19", "1798", "many"])
def test_too_few_and_too_many_images_are_wrong_usage(count):
    with pytest.raises(SystemExit) as left:
        main(["--images", count])
    assert left.value.code == 2


@pytest.mark.parametrize("photos", [[], ["--photos", "nowhere.zip"]])
def test_without_photos_what_needs_them_is_left_out(photos, capsys):
    assert main(["views", *photos, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert captured.err.startswith("views is left out: ")


@pytest.mark.thorough
def test_a_failure_is_told_and_the_others_go_on(tiny_backbone, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("benchmarks._embedding._LARGE", (300, 200))
    (tmp_path / "empty").mkdir()
    names = ["views", "embedding-pass", "--photos", str(tmp_path / "empty")]
    assert main([*names, "--backbone", tiny_backbone, "--images", "20", "--json"]) == 1
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert {row["name"].partition(",")[0] for row in rows} == {"embedding-pass"}
    assert all(list(row) == KEYS for row in rows)
    assert all(row["ratio"] == row["value"] / row["baseline"] > 0 for row in rows)
    assert captured.err.startswith("views failed: ")


def test_the_table_has_one_line_per_row(tiny_backbone, capsys):
    assert main(["second-training", "--backbone", tiny_backbone, "--images", "40"]) == 0
    title, row, _, below = capsys.readouterr().out.splitlines()
    assert title.split() == ["name", "value", "baseline", "ratio", "unit"]
    assert row.split()[0] == "second-training"
    assert row.split()[-1] == "s"
    assert below == machine()


@pytest.mark.thorough
def test_training_again_is_compared_with_the_first_time(tiny):
    (row,) = BENCHMARKS["second-training"](tiny)
    assert row.value > 0
    assert row.ratio > 0


@pytest.mark.thorough
def test_the_loop_is_compared_in_time_and_carried_out_to_its_end_in_accuracy(tiny, monkeypatch):
    monkeypatch.setattr("benchmarks._reference._EPOCHS", 3)
    by_torch, by_auto = BENCHMARKS["reference-loop"](tiny)
    assert by_torch.baseline == by_auto.baseline > 0
    rows = {row.name: row for row in BENCHMARKS["reference-loop"](replace(tiny, whole=True))}
    assert len(rows) == 4
    accuracy = rows["reference-loop, accuracy, torch"]
    assert 0 < accuracy.value <= 100
    assert 0 < accuracy.baseline <= 100


@pytest.mark.thorough
def test_engines_are_compared_in_speed_and_agreement(tiny, workspace):
    rows = {row.name: row for row in BENCHMARKS["engines"](replace(tiny, images=20))}
    assert rows["engines, ONNX Runtime (fp32)"].ratio > 0
    assert rows["engines, ONNX Runtime (fp32), cosine"].value == pytest.approx(1, abs=1e-5)
    assert rows["engines, ONNX Runtime (fp32), same label"].value == 1
    assert list(workspace.engines.glob("*.onnx"))


@pytest.mark.thorough
def test_views_are_compared_and_not_embedded_twice(tiny, picture_folder, workspace, monkeypatch):
    monkeypatch.setattr("benchmarks._accuracy.SEEDS", range(2))
    photos = picture_folder(count=5)
    setting = Setting(scratch=tiny.scratch, backbone=tiny.backbone, photos=photos, kept=workspace)
    compared, difference, again = BENCHMARKS["views"](setting)
    assert 0 < compared.baseline <= 100
    assert math.isclose(difference.value, compared.value - compared.baseline)
    assert (again.value, again.baseline, again.ratio) == (0, 4 * 12 + 3, 0)
    assert len(list(workspace.features.iterdir())) == 1
    assert workspace.ids(workspace.datasets) == workspace.ids(workspace.runs) == []


@pytest.mark.slow
def test_pages_are_looked_at_with_and_without_a_training(tiny_backbone):
    command = [sys.executable, "-m", "benchmarks", "page-rerun", "--json", "--images", "40"]
    done = subprocess.run(
        [*command, "--backbone", tiny_backbone], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = json.loads(done.stdout)
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert {row["name"].removeprefix("page-rerun: ").partition(",")[0] for row in rows} == pages
    assert all(row["ratio"] > 0 for row in rows)

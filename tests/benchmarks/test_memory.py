"""The benchmark of memory: what it compares, and on request what it finds."""

import pytest

from benchmarks import BENCHMARKS, MissingData, Setting, _memory
from vitcore.runs import list_runs
from vitcore.workspace import Workspace


@pytest.mark.thorough
def test_larger_sets_are_compared_to_the_smallest(tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setattr(_memory, "COUNTS", (40, 60, 80))
    middle, most = BENCHMARKS["memory"](Setting(scratch=tmp_path, backbone=tiny_backbone))
    assert (middle.name, most.name) == ("memory, 60 images", "memory, 80 images")
    assert {middle.unit, most.unit} == {"MB"}
    assert middle.baseline == most.baseline > 100  # torch alone takes more
    assert 0.5 < middle.ratio < 2
    runs = [run for home in tmp_path.glob("*/runs") for run in list_runs(Workspace(home.parent))]
    assert sorted(sum(vars(run.config.images).values()) for run in runs) == [40, 60, 80]
    assert all(run.state == "complete" for run in runs)
    assert [run.facts.images_per_second for run in runs] == [0, 0, 0]  # the vectors were there


@pytest.mark.thorough
def test_each_step_of_a_large_set_has_its_time(tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setattr(_memory, "LARGE", 60)
    rows = BENCHMARKS["large-set"](Setting(scratch=tmp_path, backbone=tiny_backbone))
    assert [row.unit for row in rows] == ["s of CPU", "MB", *["s of CPU"] * 4, "MB"]
    assert all(row.value > 0 for row in rows)
    [run] = [run for home in tmp_path.glob("*/runs") for run in list_runs(Workspace(home.parent))]
    assert sum(vars(run.config.images).values()) == 60
    assert run.facts.images_per_second == 0  # the vectors were there


@pytest.mark.parametrize("name", ["memory", "large-set"])
def test_a_system_that_does_not_tell_is_left_out(name, tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setattr(_memory, "find_spec", lambda _: None)
    with pytest.raises(MissingData, match="peak memory"):
        BENCHMARKS[name](Setting(scratch=tmp_path, backbone=tiny_backbone))


@pytest.mark.slow
def test_50000_images_take_300_megabytes_more_than_1000_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "COUNTS", (1_000, 50_000))
    [row] = BENCHMARKS["memory"](Setting(scratch=tmp_path))
    assert row.value - row.baseline <= 300

"""The benchmarks of the headline and of the finish: what they compare, whatever they find."""

from benchmarks import BENCHMARKS, Setting
from benchmarks import _headline as module


def test_the_headline_is_compared_to_the_figure_of_the_validation_part(
    tmp_path, tiny_backbone, workspace, monkeypatch
):
    monkeypatch.setattr(module, "SIZES", (40,))
    monkeypatch.setattr(module, "DRAWS", range(2))
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, kept=workspace, images=400)
    rows = {row.name: row for row in BENCHMARKS["headline"](setting)}
    for kind in ("digits", "digits in bursts"):
        for what in ("held", "held, allowing for it"):
            row = rows[f"headline: {kind}, {what}"]
            assert {row.value, row.baseline} <= {0, 50, 100}
        assert abs(rows[f"headline: {kind}, mean error"].value) < 100
        assert 0 < rows[f"headline: {kind}, half interval"].value < 50


def test_the_finished_head_is_compared_to_the_judged_one(tmp_path, tiny_backbone, workspace):
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, kept=workspace, images=100)
    gain, spread, lowest = BENCHMARKS["finish"](setting)
    assert lowest.value <= gain.value
    assert spread.value >= 0
    assert all(abs(row.value) < 100 for row in (gain, lowest))

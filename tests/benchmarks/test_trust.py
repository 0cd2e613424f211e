"""The benchmarks of calibration and doubt: what they compare; what they find is no test's business."""

import numpy as np
import pytest

from benchmarks import BENCHMARKS, MissingData, Setting
from benchmarks import _trust as module

NAMES = ["calibration", "not-sure", "unlike"]


@pytest.fixture
def setting(tmp_path, tiny_backbone, picture_folder, workspace, monkeypatch):
    monkeypatch.setattr(module, "SEEDS", range(2))
    photos = picture_folder(count=12)
    return Setting(scratch=tmp_path, backbone=tiny_backbone, photos=photos, kept=workspace, images=20)


@pytest.mark.thorough
def test_scaled_probabilities_are_compared_to_unscaled_ones_and_to_chance(setting):
    for name in ("000.png", "001.png", "002.png"):  # without mistakes, being quite sure is right
        blue, red = (setting.photos / label / name for label in ("blue", "red"))
        aside = blue.rename(setting.photos / name)
        red.rename(blue)
        aside.rename(red)
    rows = BENCHMARKS["calibration"](setting)
    assert [row.name.rpartition(", ")[2] for row in rows] == ["to unscaled", "to the noise floor"] * 2
    for unscaled, floor in (rows[:2], rows[2:]):
        assert 0 < unscaled.value == floor.value < 1
        assert 0 < unscaled.baseline < 1
        assert 0 < floor.baseline < 1
    assert rows[0].baseline != rows[2].baseline


@pytest.mark.thorough
def test_the_coverage_of_sets_is_compared_to_the_one_wanted(setting):
    mean, lowest, highest, answered, right = BENCHMARKS["not-sure"](setting)
    assert (mean.baseline, lowest.baseline, highest.baseline) == (90, 90, 90)
    assert 0 < lowest.value <= mean.value <= highest.value <= 100
    assert 0 <= answered.value <= 100
    assert 0 < right.baseline <= 100


@pytest.mark.thorough
def test_digits_are_compared_to_photos(setting):
    mean, worst = BENCHMARKS["unlike"](setting)
    assert 0 <= worst.value <= mean.value <= 100
    assert 0 <= mean.baseline <= 100


@pytest.mark.parametrize("name", NAMES)
def test_without_photos_there_is_nothing_to_measure(tmp_path, tiny_backbone, name):
    with pytest.raises(MissingData):
        BENCHMARKS[name](Setting(scratch=tmp_path, backbone=tiny_backbone, images=20))


def test_what_is_kept_back_plays_no_part(setting):
    for trial in module._trials(setting, module.Hyperparameters(epochs=2)):
        sizes = [len(part.labels) for part in (trial.own, trial.validation, trial.held)]
        assert sum(sizes) == 36
        assert sizes[2] == 12
        groups = [set(part.groups) for part in (trial.own, trial.validation, trial.held)]
        assert len(set.union(*groups)) == sum(len(each) for each in groups)
        assert np.bincount(trial.held.labels).tolist() == [4, 4, 4]

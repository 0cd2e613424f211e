"""The benchmark of changed photos: what it compares; what it finds is no test's business."""

import pytest

from benchmarks import BENCHMARKS, MissingData, Setting
from benchmarks import _stress as module
from vitcore.dataset import PERTURBATIONS


@pytest.mark.thorough
def test_changed_photos_are_doubted_with_and_without_probes(
    tmp_path, tiny_backbone, picture_folder, workspace, monkeypatch
):
    monkeypatch.setattr(module, "SEEDS", range(1))
    photos = picture_folder(count=12)
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=photos, kept=workspace, images=60)
    rows = BENCHMARKS["stress"](setting)
    assert len(rows) == 2 * (2 * (1 + len(PERTURBATIONS)) + 1)
    assert all(0 <= row.value <= 100 for row in rows if row.value == row.value)
    recognised = [row for row in rows if row.name.endswith("recognised")]
    chance = {"clothes": 100 / 3, "digits": 100 / 10}  # the least that the likeliest of so many classes has
    for row in recognised:
        [least] = [share for name, share in chance.items() if name in row.name]
        # A linear head may be as sure as can be of what lies far outside: the other rows say who doubts it.
        assert least < row.baseline <= 100


def test_without_photos_there_is_nothing_to_measure(tmp_path, tiny_backbone):
    with pytest.raises(MissingData):
        BENCHMARKS["stress"](Setting(scratch=tmp_path, backbone=tiny_backbone, images=20))

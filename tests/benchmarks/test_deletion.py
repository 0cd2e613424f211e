"""The benchmark of the maps: what it compares; what it finds is no test's business."""

import pytest

from benchmarks import BENCHMARKS, MissingData, Setting
from vitcore.inference import DELETED


@pytest.mark.thorough
def test_top_patches_are_compared_to_random_ones(tmp_path, tiny_backbone, picture_folder, workspace):
    photos = picture_folder(count=20)
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=photos, kept=workspace, images=5)
    *curve, area, low, high = BENCHMARKS["deletion"](setting)
    assert len(curve) == len(DELETED) + 2
    assert all(0 <= row.value <= 100 for row in curve)
    assert all(0 <= row.baseline <= 100 for row in curve)
    assert (curve[0].ratio, curve[-1].ratio) == (1, 1)
    assert low.value < area.value < high.value
    assert area.baseline is None
    assert workspace.ids(workspace.runs) == []


def test_without_photos_there_is_nothing_to_measure(tmp_path, tiny_backbone):
    with pytest.raises(MissingData):
        BENCHMARKS["deletion"](Setting(scratch=tmp_path, backbone=tiny_backbone))

"""The benchmark of the search for a recipe, on pictures."""

import pytest

from benchmarks import BENCHMARKS, MissingData, Setting, _search


@pytest.mark.thorough
@pytest.mark.usefixtures("few_heads")
def test_a_search_is_judged_by_photos_held_back(
    tmp_path, tiny_backbone, picture_folder, workspace, monkeypatch
):
    monkeypatch.setattr(_search, "usual_rivals", lambda _: ())
    monkeypatch.setattr(_search, "_SOME", 1)
    photos = picture_folder(count=15)
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=photos, kept=workspace)
    accuracy, longest, planted = BENCHMARKS["search"](setting)
    assert accuracy.value >= accuracy.baseline > 50
    assert 0 < longest.value < longest.baseline
    assert (planted.name, planted.value) == ("search: planted found better", 0)


def test_without_photos_there_is_nothing_to_search_in(tmp_path, tiny_backbone):
    with pytest.raises(MissingData):
        BENCHMARKS["search"](Setting(scratch=tmp_path, backbone=tiny_backbone))

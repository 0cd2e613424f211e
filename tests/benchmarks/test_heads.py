"""The benchmarks that train heads on whole datasets; what they measure is no test's business."""

import numpy as np
import pytest

from benchmarks import BENCHMARKS, Setting
from benchmarks._embedded import EmbeddedSet
from tests._pictures import soft_photo


@pytest.fixture
def photos_too(tmp_path, tiny_backbone, picture_folder, workspace):
    """Forty digits, and 120 pictures whose embeddings are kept."""
    photos = picture_folder(count=40)
    return Setting(scratch=tmp_path, backbone=tiny_backbone, photos=photos, kept=workspace, images=40)


@pytest.mark.thorough
def test_wrong_labels_are_looked_for_in_digits_and_photos(photos_too, monkeypatch, workspace):
    monkeypatch.setattr("benchmarks._labels.SEEDS", range(2))
    rows = BENCHMARKS["label-audit"](photos_too)
    ends = ("", ", suspects", ", suspects that are wrong")
    assert [row.name for row in rows] == [
        f"label-audit: {name}{end}" for name in ("digits", "photos") for end in ends
    ]
    assert all(0 <= row.value <= 100 for row in rows)
    assert rows[3].value > 50
    assert 0 <= rows[3].baseline <= 100
    assert len(list(workspace.features.iterdir())) == 1
    assert workspace.ids(workspace.datasets) == []


@pytest.mark.thorough
def test_copies_are_looked_for_among_photos(tmp_path, tiny_backbone, monkeypatch):
    folder = tmp_path / "made"
    for number in range(12):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        soft_photo(number, (320, 240)).save(folder / "ab"[number % 2] / f"{number}.png")
    monkeypatch.setattr("benchmarks._copies._OF_EACH_KIND", 3)
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=folder, images=40)
    assert [(row.name, row.value, row.unit) for row in BENCHMARKS["copies"](setting)] == [
        ("copies: digits taken for one another", 0, "images"),
        *((f"copies: {kind}", 100, "% found") for kind in ("turned", "mirrored", "captioned")),
        ("copies: photos taken for one another", 0, "images"),
    ]


def test_forecasts_are_compared_with_what_came(tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 80)
    vectors = random.normal(size=(3, 24))[labels] + random.normal(0, 2.5, (240, 24))
    data = EmbeddedSet(
        name="blobs", vectors=vectors.astype(np.float16), labels=labels, groups=np.arange(240), classes=3
    )
    monkeypatch.setattr("benchmarks._forecast.embedded_sets", lambda _: [data])
    monkeypatch.setattr("benchmarks._forecast.SEEDS", range(2))
    held, half_width, error = BENCHMARKS["forecast"](Setting(scratch=tmp_path))
    assert (held.name, held.unit, held.value) == ("forecast: blobs", "of 2 held", 2)
    assert 0 < half_width.value < 20
    assert 0 <= error.value <= half_width.value
    assert error.baseline > 0


@pytest.mark.thorough
def test_a_seed_with_too_few_images_is_not_held(tmp_path, tiny_backbone, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks._forecast.SEEDS", range(1))
    [row] = BENCHMARKS["forecast"](Setting(scratch=tmp_path, backbone=tiny_backbone, images=40))
    assert (row.name, row.value, row.unit) == ("forecast: digits", 0, "of 1 held")
    assert "seed 0: 19 images are too few to judge by" in capsys.readouterr().err


@pytest.mark.thorough
def test_without_photos_digits_are_enough(tmp_path, tiny_backbone, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks._labels.SEEDS", range(1))
    rows = BENCHMARKS["label-audit"](Setting(scratch=tmp_path, backbone=tiny_backbone, images=40))
    assert len(rows) == 3
    assert "for photos, give --photos PATH" in capsys.readouterr().err

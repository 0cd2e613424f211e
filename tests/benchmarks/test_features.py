"""The benchmark of vectors and heads: what it compares, on what."""

import numpy as np
import pytest

from benchmarks import BENCHMARKS, Setting, _features
from benchmarks._embedded import EmbeddedSet
from vitcore.backbone import Reading


def made_up() -> EmbeddedSet:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 15)
    vectors = random.normal(size=(3, 24))[labels] + random.normal(0, 0.5, (45, 24))
    return EmbeddedSet(
        name="made up",
        vectors=vectors.astype(np.float16),
        labels=labels,
        groups=np.arange(45),
        classes=3,
    )


def test_every_pair_of_vectors_and_head_is_there_beside_the_former_one(tmp_path, tiny_backbone, monkeypatch):
    monkeypatch.setattr(_features, "real_sets", lambda _: [made_up()])
    monkeypatch.setattr(_features, "_READINGS", {"blocks 8, 10, 12": None, "with their spread": None})
    monkeypatch.setattr(_features, "_columns", lambda *_: np.arange(12))
    rows = BENCHMARKS["features"](Setting(scratch=tmp_path, backbone=tiny_backbone))
    values = {row.name: row for row in rows}
    for size in ("5 per class", "10 per class", "all"):
        former = values[f"features: made up, {size}, blocks 8, 10, 12, standardised, sgd"]
        ours = values[f"features: made up, {size}, with their spread, drawn to LDA"]
        assert former.value == former.baseline == ours.baseline
        low, gain, high = (
            values[f"features: made up, {size}, {what}"].value for what in ("gain, low", "gain", "gain, high")
        )
        if size == "all":  # with few photos it is the mean over several draws of them
            assert gain == pytest.approx(ours.value - former.value, abs=1e-3)
        assert low <= gain <= high
    assert values["features: gain, lowest of all"].value <= values["features: gain, mean of all"].value


def test_each_reading_is_part_of_the_whole_one():
    whole = _features._WHOLE.numbers(384, class_token=True)
    for reading in _features._READINGS.values():
        columns = _features._columns(reading, whole)
        assert len(np.unique(columns)) == len(columns) == reading.numbers(384, class_token=True)
    former = _features._columns(Reading(blocks=(8, 10, 12)), whole)
    assert former[0] == 4 * 2 * 384


def test_photos_are_fitted_in_every_way(tmp_path, tiny_backbone, monkeypatch, picture_folder):
    monkeypatch.setattr(_features, "_DEFAULT", Reading(blocks=(1, 2)))
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=picture_folder(count=20))
    rows = list(_features._fittings(setting))
    assert [row.name.rpartition(": ")[2] for row in rows] == ["centre", "squashed", "by shape"]
    assert rows[2].value == rows[2].baseline == rows[0].baseline

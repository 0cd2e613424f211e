"""What photos have in common, brightness included: measured once, cut into named parts, no chance finds."""

from collections.abc import Mapping
from threading import Event

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from tests._pictures import soft_photo
from vitcore.audit import _brightness, measure_brightness, photo_conditions
from vitcore.dataset import SharedColumn, shared_columns
from vitcore.errors import Stopped
from vitcore.evaluation import weakest_slice
from vitcore.progress import Task


def greys(*levels: int) -> dict[str, Image.Image]:
    return {f"a/{level}.png": Image.new("RGB", (64, 48), (level, level, level)) for level in levels}


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """The files whose thumbnails were looked at."""
    seen: list[str] = []
    mean = _brightness._mean

    def counting(dataset, file):
        seen.append(file)
        return mean(dataset, file)

    monkeypatch.setattr(_brightness, "_mean", counting)
    return seen


def test_the_brightness_of_a_grey_is_its_level(pile):
    dataset = pile(greys(0, 10, 128, 255))
    found = measure_brightness(dataset, dataset.index)
    assert dict(zip(dataset.index["name"], found.round(), strict=True)) == pytest.approx(
        {"a/0.png": 0, "a/10.png": 10, "a/128.png": 128, "a/255.png": 255}, abs=1
    )


def test_a_photo_is_measured_once(pile, looks):
    dataset = pile(greys(*range(0, 250, 10)))
    some = dataset.index.iloc[3:9]
    first = measure_brightness(dataset, some)
    assert first.index.equals(some.index)
    assert len(looks) == 6
    measure_brightness(dataset, dataset.index)
    assert sorted(looks) == sorted(dataset.index["file"])
    pd.testing.assert_series_equal(measure_brightness(dataset, some), first)
    assert len(looks) == 25


@pytest.mark.parametrize("content", ["", "{", '{"revision": 0, "brightness": {}}', '{"brightness": 3}'])
def test_what_cannot_be_read_is_measured_again(pile, content):
    dataset = pile(greys(10, 200))
    before = measure_brightness(dataset, dataset.index)
    (dataset.folder / "brightness.json").write_text(content)
    pd.testing.assert_series_equal(measure_brightness(dataset, dataset.index), before)


def test_a_photo_that_is_lost_has_no_brightness(pile):
    dataset = pile(greys(10, 200))
    dataset.path(dataset.index["file"].iloc[0]).unlink()
    assert measure_brightness(dataset, dataset.index).isna().tolist() == [True, False]


def test_a_stop_keeps_what_was_measured(pile, looks, monkeypatch):
    dataset, stop = pile(greys(*range(0, 250, 25))), Event()
    monkeypatch.setattr(_brightness, "_CHUNK", 4)
    load = _brightness.load_image

    def loading(path):
        stop.set()
        return load(path)

    monkeypatch.setattr(_brightness, "load_image", loading)
    with pytest.raises(Stopped):
        measure_brightness(dataset, dataset.index, task=Task(stop=stop))
    assert len(looks) == 4
    measure_brightness(dataset, dataset.index)
    assert len(looks) == 10


def test_photos_that_were_made_dark_are_the_dark_ones(pile):
    images = {f"a/{n}.png": soft_photo(n) for n in range(12)}
    images |= {f"b/{n}.png": ImageEnhance.Brightness(soft_photo(20 + n)).enhance(0.4) for n in range(6)}
    dataset = pile(images)
    found = photo_conditions(dataset, dataset.index)["brightness"].values
    dark = dataset.index["name"].str.startswith("b/")
    assert found[dark].str.startswith("dark (below ").all()
    assert not found[~dark].str.startswith("dark").any()


# --- what is named -----------------------------------------------------------------------------


def drawn(seed: int, images: int, weak: float | None = None) -> tuple[Mapping[str, SharedColumn], np.ndarray]:
    """Eight columns of photos, of which a third is dark, and answers of which 9 of 10 are right."""
    random = np.random.default_rng(seed)
    dark = random.random(images) < 1 / 3
    shapes = np.array([(400, 533), (533, 400), (400, 400), (1200, 900), (900, 1200)])
    width, height = shapes[random.integers(0, len(shapes), images)].T
    index = pd.DataFrame(
        {
            "width": width,
            "height": height,
            "format": random.choice(["JPEG", "PNG", "WEBP"], images, p=[0.7, 0.2, 0.1]),
            "column:taken": [f"2024-{month:02}-03T10:00:00" for month in random.integers(1, 7, images)],
            "column:camera": random.choice(list("ABCD"), images),
            "column:place": random.choice(list("uvwxyz"), images),
            "column:ward": random.choice(list("123"), images),
        }
    )
    light = np.where(dark, random.normal(60, 12, images), random.normal(135, 25, images))
    chance = np.where(dark & (weak is not None), weak or 0, 0.9)
    columns = shared_columns(index, brightness=pd.Series(light.clip(0, 255)))
    assert len(columns) == 8
    return columns, random.random(images) < chance


def named(columns: Mapping[str, SharedColumn], right: np.ndarray) -> str:
    worst = weakest_slice({name: column.values for name, column in columns.items()}, right)
    return "" if worst is None else f"{worst.column} {worst.value}"


def test_chance_is_named_in_one_of_twenty_draws_at_most():
    assert sum(bool(named(*drawn(seed, 120 + seed % 3 * 60))) for seed in range(200)) <= 10


def test_a_planted_weakness_of_dark_photos_is_named_first_in_nine_of_ten_draws():
    found = [named(*drawn(1000 + seed, 240, weak=0.6)) for seed in range(20)]
    assert sum(name.startswith("brightness dark (below ") for name in found) >= 18

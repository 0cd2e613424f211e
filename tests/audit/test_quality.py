"""Scores of a photo's quality, by their definitions."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests._pictures import soft_photo
from vitcore.audit._quality import THRESHOLDS, quality_scores


def of_grey(*parts: tuple[int, int]) -> Image.Image:
    """An image of 100 × 100 pixels, so many rows of each grey level."""
    rows = np.repeat([level for level, _ in parts], [count for _, count in parts])
    return Image.fromarray(np.repeat(rows[:, None, None], 100, axis=1).repeat(3, axis=2).astype(np.uint8))


def test_a_dark_photo_has_nothing_light_in_it():
    dark = quality_scores(of_grey((20, 50), (81, 50)))["dark"]
    assert dark == pytest.approx(81 / 255, abs=1e-4)
    assert dark < THRESHOLDS["dark"]
    assert quality_scores(of_grey((20, 98), (200, 2)))["dark"] > THRESHOLDS["dark"]
    assert quality_scores(of_grey((20, 100)))["dark"] < THRESHOLDS["dark"]


def test_a_bright_photo_has_nothing_dark_in_it():
    bright = quality_scores(of_grey((245, 50), (255, 50)))["bright"]
    assert bright == pytest.approx(10 / 255, abs=1e-4)
    assert bright < THRESHOLDS["bright"]
    assert quality_scores(of_grey((100, 6), (255, 94)))["bright"] > THRESHOLDS["bright"]


def test_brightness_weighs_the_colours():
    colours = ("red", "lime", "blue")
    scores = {colour: quality_scores(Image.new("RGB", (50, 50), colour))["dark"] for colour in colours}
    assert scores == pytest.approx({"red": 0.4909, "lime": 0.8313, "blue": 0.2608}, abs=1e-4)


def test_what_shows_next_to_nothing_has_hardly_any_information():
    empty = quality_scores(Image.new("RGB", (50, 50), "grey"))["empty"]
    assert empty == pytest.approx(np.log2(3) / 10, abs=1e-4)  # the histograms of three colours in one
    assert quality_scores(of_grey((50, 50), (90, 50)))["empty"] == pytest.approx(np.log2(6) / 10, abs=1e-4)
    assert empty < THRESHOLDS["empty"]
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    assert quality_scores(Image.fromarray(noise))["empty"] > THRESHOLDS["empty"]


def test_a_blurred_photo_has_little_fine_structure():
    photo = soft_photo(0, (240, 240))
    sharp, blurred = quality_scores(photo), quality_scores(photo.filter(ImageFilter.GaussianBlur(12)))
    assert blurred["blurry"] < THRESHOLDS["blurry"] < sharp["blurry"]
    assert quality_scores(Image.new("RGB", (50, 50), "grey"))["blurry"] == 1  # nothing to be sharp

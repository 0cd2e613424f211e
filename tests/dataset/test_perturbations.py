"""Images changed in named ways, the same on every machine."""

import numpy as np
import pytest
from PIL import Image

from vitcore.dataset import PERTURBATIONS, perturb, perturbation_key


@pytest.fixture
def image():
    """Brighter to the right, redder to the bottom: no two sides are alike."""
    across, down = np.meshgrid(np.linspace(0, 120, 300), np.linspace(0, 120, 200))
    return Image.fromarray(np.stack([across + down, across, down], axis=-1).astype(np.uint8))


def pixels(image):
    return np.asarray(image).astype(np.int64)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_change_is_the_same_every_time_and_changes_something(image, name):
    first, second = (perturb(image, "ab12", name) for _ in range(2))
    assert np.array_equal(pixels(first), pixels(second))
    assert first.mode == "RGB"
    assert first.size != image.size or not np.array_equal(pixels(first), pixels(image))


def test_photos_are_turned_to_both_sides(image):
    turned = {perturb(image, str(number), "turned").tobytes() for number in range(20)}
    sides = {
        image.transpose(turn).tobytes() for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)
    }
    assert turned == sides


def test_upside_down_is_half_a_turn(image):
    assert np.array_equal(pixels(perturb(image, "", "upside_down")), pixels(image)[::-1, ::-1])


def test_light_is_taken_or_added(image):
    darker, brighter = (pixels(perturb(image, "", name)).mean() for name in ("darker", "brighter"))
    assert darker < pixels(image).mean() / 3
    assert brighter > 1.5 * pixels(image).mean()


@pytest.mark.parametrize(
    ("size", "smaller"), [((300, 200), (72, 48)), ((60, 90), (30, 45)), ((1, 9), (1, 4)), ((1, 1), (1, 1))]
)
def test_small_is_48_pixels_or_half(size, smaller):
    assert perturb(Image.new("RGB", size), "", "smaller").size == smaller


def test_noise_is_another_in_each_photo():
    grey = Image.new("RGB", (40, 40), (128, 128, 128))
    first, second = (pixels(perturb(grey, sha256, "noisy")) for sha256 in ("a", "b"))
    assert not np.array_equal(first, second)
    assert first.std() == pytest.approx(40, abs=3)


def test_vectors_of_changes_are_stored_under_names_of_their_own():
    keys = {perturbation_key(name) for name in PERTURBATIONS}
    assert len(keys) == len(PERTURBATIONS)
    assert "plain" not in keys

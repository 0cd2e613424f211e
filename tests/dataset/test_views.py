"""Fixed, seeded variants of an image."""

import numpy as np
import pytest
from PIL import Image

from vitcore.dataset import AUGMENTATIONS, make_view, view_key

SHA256 = "ab" * 32


@pytest.fixture(scope="module")
def image() -> Image.Image:
    y, x = np.mgrid[0:90, 0:120]
    return Image.fromarray(np.stack([2 * x, 2 * y, (x + y) % 256], axis=2).astype(np.uint8))


def test_view_0_is_the_image_itself(image):
    assert make_view(image, SHA256, 0) is image
    assert view_key(0) == "plain"


def test_a_view_is_always_the_same(image):
    first, second = make_view(image, SHA256, 3), make_view(image.copy(), SHA256, 3)
    assert first.size == second.size
    assert first.tobytes() == second.tobytes()


def test_views_of_an_image_differ_from_it_and_from_each_other(image):
    assert len({make_view(image, SHA256, view).tobytes() for view in range(10)}) == 10


def test_the_views_of_two_images_differ(image):
    assert make_view(image, SHA256, 1).tobytes() != make_view(image, "cd" * 32, 1).tobytes()


def test_making_a_view_leaves_the_image_alone(image):
    before = image.tobytes()
    make_view(image, SHA256, 1)
    assert image.tobytes() == before


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2), (400, 30), (120, 90)])
def test_a_view_is_a_part_of_at_least_about_half_the_area(size):
    plain = Image.new("RGB", size, (100, 150, 200))
    for view in range(1, 30):
        made = make_view(plain, SHA256, view)
        assert made.mode == "RGB"
        assert 1 <= made.width <= size[0]
        assert 1 <= made.height <= size[1]
        if min(size) > 20:
            assert 0.4 <= made.width * made.height / (size[0] * size[1]) <= 1


def test_some_views_are_mirrored_and_some_are_not(image):
    # The red channel rises from left to right.
    rises = [
        np.diff(np.asarray(make_view(image, SHA256, view))[:, [0, -1], 0].mean(axis=0).astype(int))[0] > 0
        for view in range(1, 40)
    ]
    assert 8 <= sum(rises) <= 31


def test_brightness_varies_within_a_fifth():
    grey = Image.new("RGB", (40, 40), (100, 100, 100))
    means = [np.asarray(make_view(grey, SHA256, view)).mean() for view in range(1, 40)]
    assert 78 <= min(means) < 95
    assert 105 < max(means) <= 122


def test_each_view_has_a_key_of_its_own():
    assert len({view_key(view) for view in range(64)}) == 64


def test_other_augmentations_are_other_views(image):
    assert view_key(0, ("flip",)) == view_key(0, ("blur",)) == "plain"
    assert view_key(1, ("flip", "crop")) == view_key(1, ("crop", "flip")) != view_key(1, ("flip",))
    made = {make_view(image, SHA256, 2, (name,)).tobytes() for name in AUGMENTATIONS}
    assert len(made) >= len(AUGMENTATIONS) - 1  # a mirror image may not come up


def test_one_more_augmentation_leaves_the_others_as_they_were(image):
    for view in range(1, 10):
        assert (
            make_view(image, SHA256, view, ("crop",)).size
            == make_view(image, SHA256, view, AUGMENTATIONS).size
        )


@pytest.mark.parametrize("name", ["flip", "colour", "rotation", "blur"])
def test_what_does_not_crop_keeps_the_size(image, name):
    assert all(make_view(image, SHA256, view, (name,)).size == image.size for view in range(1, 9))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 300)])
def test_tiny_images_bear_every_augmentation(size):
    for view in range(1, 9):
        assert min(make_view(Image.new("RGB", size), SHA256, view, AUGMENTATIONS).size) >= 1

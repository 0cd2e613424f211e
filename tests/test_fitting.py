"""The fitting of a photo to the square that a network sees."""

import numpy as np
import pytest
from PIL import Image

from vitcore.fitting import fitted, placement


@pytest.mark.parametrize(
    ("size", "fit", "box", "strips"),
    [
        ((300, 200), "by shape", (50, 0, 250, 200), 1),
        ((200, 300), "by shape", (0, 50, 200, 250), 1),
        ((301, 200), "by shape", (0, 0, 301, 200), 1),
        ((450, 200), "by shape", (0, 0, 450, 200), 1),
        ((451, 200), "by shape", (0, 0, 450, 200), 2),
        ((800, 200), "by shape", (0, 0, 800, 200), 2),
        ((2000, 200), "by shape", (0, 0, 2000, 200), 4),
        ((200, 1802), "by shape", (0, 0, 200, 1800), 4),
        ((2000, 200), "squashed", (0, 0, 2000, 200), 1),
        ((2000, 200), "centre", (900, 0, 1100, 200), 1),
        ((1, 1), "by shape", (0, 0, 1, 1), 1),
        ((9000, 1), "by shape", (0, 0, 8930, 1), 95),
    ],
)
def test_a_photo_is_placed_by_its_shape(size, fit, box, strips):
    found = placement(*size, fit)
    assert (found.box, found.strips) == (box, strips)


@pytest.mark.parametrize("tall", [False, True])
def test_a_long_photo_is_seen_in_strips_in_the_order_of_its_length(tall):
    colours = [(255, 0, 0), (0, 200, 0), (0, 0, 255)]
    image = Image.new("RGB", (900, 100))
    for number, colour in enumerate(colours):
        image.paste(colour, (300 * number, 0, 300 * (number + 1), 100))
    seen = fitted(image.transpose(Image.Transpose.TRANSPOSE) if tall else image, 96, "by shape")
    if tall:
        seen = seen.transpose(1, 0, 2)
    assert seen.shape == (96, 96, 3)
    for number, colour in enumerate(colours):
        inside = seen[32 * number + 4 : 32 * (number + 1) - 4]
        assert np.abs(inside.astype(int) - colour).max() == 0


def test_a_square_is_the_same_in_every_fit():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8))
    first, *others = [fitted(image, 64, fit) for fit in ("centre", "squashed", "by shape")]
    assert all(np.array_equal(first, other) for other in others)

"""Likeness: copies of a picture are recognised by their pixels, other pictures are not."""

from collections.abc import Callable
from itertools import combinations, islice

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from tests._pictures import encoded, soft_photo
from vitcore.audit._likeness import SAME_PICTURE, Picture, likeness
from vitcore.dataset import load_image, sample_images


def picture(image: Image.Image) -> Picture:
    return Picture(ImageOps.fit(image, (240, 240)))


def like(first: Picture, second: Picture) -> float:
    return float(likeness([first], [second])[0])


def saved(image: Image.Image, quality: int = 90) -> Image.Image:
    return load_image(encoded(image, "JPEG", quality=quality))


def cropped(image: Image.Image, part: float) -> Image.Image:
    width, height = round(part * image.width), round(part * image.height)
    left, top = (image.width - width) // 3, image.height - height
    return image.crop((left, top, left + width, top + height))


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    drawing = ImageDraw.Draw(image)
    drawing.rectangle((4, image.height - 20, 104, image.height - 4), fill="white")
    drawing.text((8, image.height - 18), "© my shop", fill="black")
    return image


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda image: saved(image.resize((image.width // 2, image.height // 2))),
    "poor quality": lambda image: saved(image, 40),
    "brighter": lambda image: saved(ImageEnhance.Brightness(image).enhance(1.15)),
    "darker": lambda image: saved(ImageEnhance.Brightness(image).enhance(0.85)),
    "caption": lambda image: saved(captioned(image)),
    "cropped to 97 %": lambda image: saved(cropped(image, 0.97)),
    "cropped to 90 %": lambda image: saved(cropped(image, 0.9)),
    "mirrored": lambda image: saved(ImageOps.mirror(image)),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_the_same_picture_whichever_is_asked(copy):
    for number in range(3):
        original, other = picture(soft_photo(number)), picture(copy(soft_photo(number)))
        assert like(original, other) >= SAME_PICTURE
        assert like(other, original) >= SAME_PICTURE


def test_different_pictures_are_not_the_same():
    pictures = [picture(soft_photo(number)) for number in range(8)]
    assert max(like(a, b) for a, b in combinations(pictures, 2)) < 0.7


def test_noise_of_one_tint_is_not_the_same():
    random = np.random.default_rng(0)
    noise = [
        picture(Image.fromarray((120 + random.normal(0, 20, (48, 64, 3))).clip(0, 255).astype(np.uint8)))
        for _ in range(6)
    ]
    assert max(like(a, b) for a, b in combinations(noise, 2)) < 0.7


def test_the_same_shape_in_another_colour_is_not_the_same():
    def badge(colour: str) -> Picture:
        image = Image.new("RGB", (240, 240), "white")
        drawing = ImageDraw.Draw(image)
        drawing.ellipse((50, 40, 190, 180), fill=colour)
        drawing.rectangle((90, 150, 150, 230), fill=colour)
        return picture(image)

    assert like(badge("red"), badge("red")) == pytest.approx(1)
    assert like(badge("red"), badge("blue")) < SAME_PICTURE


def test_pictures_without_structure_are_told_by_their_colour():
    white, nearly, grey = (picture(Image.new("RGB", (64, 48), (v, v, v))) for v in (255, 253, 200))
    assert like(white, nearly) == 1
    assert like(white, grey) == 0
    assert like(white, picture(soft_photo(0))) == 0
    assert like(picture(soft_photo(0)), white) == 0


@pytest.mark.thorough
def test_digits_of_one_kind_are_not_taken_for_one():
    zeros = [file for _, label, file in islice(sample_images(None), 200) if label == "0"]
    pictures = [picture(load_image(file.read())) for file in zeros[:12]]
    alike = [like(a, b) >= SAME_PICTURE for a, b in combinations(pictures, 2)]
    assert sum(alike) <= 1


def test_copies_of_real_photos_are_found_and_other_photos_are_not():
    # The halves of the two photos that come with scikit-learn: of a temple and of a flower.
    halves = [pixels[:, left : left + 320] for pixels in load_sample_images().images for left in (0, 320)]
    photos = [Image.fromarray(half) for half in halves]
    originals = [picture(image) for image in photos]
    for kind, copy in COPIES.items():
        found = [like(o, picture(copy(i))) >= SAME_PICTURE for o, i in zip(originals, photos, strict=True)]
        assert all(found), kind
    assert max(like(a, b) for a, b in combinations(originals, 2)) < SAME_PICTURE

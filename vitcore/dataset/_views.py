"""Fixed, seeded variants of an image: the augmentation of a frozen backbone."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

__all__ = ["AUGMENTATIONS", "USUAL_AUGMENTATIONS", "make_view", "view_key"]

AUGMENTATIONS = ("blur", "colour", "crop", "flip", "rotation")
"""The names of the augmentations, in alphabetical order."""

USUAL_AUGMENTATIONS = ("colour", "crop", "flip")
"""The augmentations that suit most photos: none that turns a 6 into a 9."""

# Raise when the same view of the same image would look different.
_REVISION = 2
_MOST_DEGREES = 15
_MOST_BLUR = 0.008  # of the shorter side


def view_key(view: int, augmentations: Sequence[str] = USUAL_AUGMENTATIONS) -> str:
    """Name under which the vectors of a view are stored; view 0 is the image itself."""
    return "plain" if view == 0 else f"{'-'.join(sorted(augmentations))}-{_REVISION}-{view}"


def make_view(
    image: Image.Image, sha256: str, view: int, augmentations: Sequence[str] = USUAL_AUGMENTATIONS
) -> Image.Image:
    """A variant of an image: perhaps mirrored, turned, cropped, in other light and colour, blurred.

    The same image, number and augmentations give the same variant on every machine, so that it is
    embedded once and used in every epoch and every training. Each augmentation draws by itself: one
    more of them leaves the others as they were.

    Args:
        image: RGB.
        sha256: Digest of the image's file; seeds the variant.
        view: 0 for the image itself, 1, 2, … for its variants.
        augmentations: Any of `AUGMENTATIONS`.
    """
    if view == 0:
        return image
    for name, vary in _STEPS.items():
        if name in augmentations:
            seed = hashlib.sha256(f"{_REVISION}:{name}:{view}:{sha256}".encode()).digest()
            image = vary(image, np.random.default_rng(int.from_bytes(seed[:8], "big")))
    return image.copy()


def _flip(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


def _rotate(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Turn by up to 15 degrees; the corners that come into view get the mean colour of the image."""
    degrees = random.uniform(-_MOST_DEGREES, _MOST_DEGREES)
    red, green, blue = np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0].tolist()
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(red, green, blue))


def _crop(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A rectangle of 50 to 100 % of the area with sides up to a sixth longer or shorter."""
    area, aspect = random.uniform(0.5, 1.0), np.exp(random.uniform(-0.15, 0.15))
    width = min(image.width, max(1, round(image.width * np.sqrt(area * aspect))))
    height = min(image.height, max(1, round(image.height * np.sqrt(area / aspect))))
    left = int(random.integers(0, image.width - width + 1))
    top = int(random.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def _colour(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Brightness, contrast and colour, each up to a fifth more or less."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(random.uniform(0.8, 1.2))
    return image


def _blur(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0, _MOST_BLUR) * min(image.size)))


# In the order in which a camera would: how it is held, what it sees, how it develops.
_STEPS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "rotation": _rotate,
    "flip": _flip,
    "crop": _crop,
    "colour": _colour,
    "blur": _blur,
}

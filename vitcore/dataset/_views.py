"""Fixed, seeded variants of an image: the augmentation of a frozen backbone."""

import hashlib

import numpy as np
from PIL import Image, ImageEnhance

__all__ = ["make_view", "view_key"]

# Raise when the same view of the same image would look different.
_REVISION = 1


def view_key(view: int) -> str:
    """Name under which the vectors of a view are stored; view 0 is the image itself."""
    return "plain" if view == 0 else f"augmented-{_REVISION}-{view}"


def make_view(image: Image.Image, sha256: str, view: int) -> Image.Image:
    """A variant of an image: cropped, perhaps mirrored, brightness, contrast and colour changed.

    The same image and number give the same variant on every machine, so that it is embedded once
    and used in every epoch and every training.

    Args:
        image: RGB.
        sha256: Digest of the image's file; seeds the variant.
        view: 0 for the image itself, 1, 2, … for its variants.
    """
    if view == 0:
        return image
    digest = hashlib.sha256(f"{view_key(view)}:{sha256}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    # A rectangle of 50 to 100 % of the area with sides up to a sixth longer or shorter.
    area, aspect = random.uniform(0.5, 1.0), np.exp(random.uniform(-0.15, 0.15))
    width = min(image.width, round(image.width * np.sqrt(area * aspect)))
    height = min(image.height, round(image.height * np.sqrt(area / aspect)))
    left = int(random.integers(0, image.width - width + 1))
    top = int(random.integers(0, image.height - height + 1))
    varied = image.crop((left, top, left + max(width, 1), top + max(height, 1)))
    if random.random() < 0.5:
        varied = varied.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        varied = enhance(varied).enhance(random.uniform(0.8, 1.2))
    return varied

"""Named changes of an image, as happen when photos are taken elsewhere: how well are they recognised then?

Unlike the variants of `make_view` these are not learned from: they are what a classifier is tried on, and
what it learns to doubt.
"""

import hashlib
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

__all__ = ["PERTURBATIONS", "perturb", "perturbation_key"]

# Raise when a change of the same image would look different.
_REVISION = 1
_DARKER, _BRIGHTER = 0.25, 2.0  # times the values of all pixels
_BLUR = 0.025  # of the shorter side, the standard deviation
_SMALL_SIDE = 48  # pixels
_NOISE = 40.0  # of 255, the standard deviation


def perturbation_key(perturbation: str) -> str:
    """Name under which the vectors of images changed in this way are stored."""
    return f"changed-{perturbation}-{_REVISION}"


def perturb(image: Image.Image, sha256: str, perturbation: str) -> Image.Image:
    """An image as it might look elsewhere; the same on every machine.

    Args:
        image: RGB.
        sha256: Digest of the image's file; decides which way it is turned, and seeds the noise.
        perturbation: One of `PERTURBATIONS`.
    """
    digest = hashlib.sha256(f"{_REVISION}:{perturbation}:{sha256}".encode()).digest()
    return _STEPS[perturbation](image, np.random.default_rng(int.from_bytes(digest[:8], "big")))


def _turned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A quarter turn to the left or to the right."""
    left = random.random() < 0.5
    return image.transpose(Image.Transpose.ROTATE_90 if left else Image.Transpose.ROTATE_270)


def _upside_down(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.transpose(Image.Transpose.ROTATE_180)


def _darker(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(_DARKER)


def _brighter(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Overexposed: what was bright becomes white."""
    return ImageEnhance.Brightness(image).enhance(_BRIGHTER)


def _blurred(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLUR * min(image.size)))


def _smaller(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """No more than 48 pixels along the shorter side, and no more than half of what there were."""
    side = min(image.size)
    scale = min(_SMALL_SIDE, side / 2) / side
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def _noisy(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """As taken by night, with a small sensor."""
    values = np.asarray(image, dtype=np.float32)
    noise = random.normal(0, _NOISE, values.shape).astype(np.float32)
    return Image.fromarray((values + noise).round().clip(0, 255).astype(np.uint8))


_STEPS: MappingProxyType[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = MappingProxyType(
    {
        "turned": _turned,
        "upside_down": _upside_down,
        "darker": _darker,
        "brighter": _brighter,
        "blurred": _blurred,
        "smaller": _smaller,
        "noisy": _noisy,
    }
)

PERTURBATIONS = tuple(_STEPS)
"""The names of the changes, in the order in which they are shown."""

"""The sample set: some of scikit-learn's handwritten digits as PNG files.

There are 1,797 digits written by 43 people, 8 × 8 pixels with 17 grey levels each (E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0). The sample has
the first 40 of each, so that two cores have a figure within about half a minute.
"""

import io
from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["SAMPLE", "SAMPLE_COUNT", "SAMPLE_NAME", "sample_images"]

SAMPLE = "sample"
"""The source that names this set."""
SAMPLE_NAME = "Handwritten digits (sample)"
SAMPLE_PER_DIGIT = 40
SAMPLE_COUNT = 10 * SAMPLE_PER_DIGIT
_SIDE = 160


def sample_images(per_digit: int | None = SAMPLE_PER_DIGIT) -> Iterator[tuple[str, str, IO[bytes]]]:
    """The digits as (name, label, PNG file): dark ink on white paper, 160 × 160 pixels.

    A margin of one of the original pixels is added, for the ink reaches the edges.

    Args:
        per_digit: How many of each digit, from the first on; all there are if None.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in _first(digits.target, per_digit or len(digits.target)).tolist():
        digit = digits.target[number]
        paper = np.pad(255 - digits.images[number] / 16 * 255, 1, constant_values=255)  # (8, 8) -> (10, 10)
        grey = Image.fromarray(paper.round().astype(np.uint8))
        file = io.BytesIO()
        grey.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        file.seek(0)
        yield f"digits/{digit}/{number:04}.png", str(digit), file


def _first(labels: npt.NDArray[np.int64], per_class: int) -> npt.NDArray[np.int64]:
    """The positions of the first so many of each class, in order."""
    places = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(places))

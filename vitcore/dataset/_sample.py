"""The sample set: scikit-learn's handwritten digits as PNG files.

1,797 digits written by 43 people, 8 × 8 pixels with 17 grey levels each (E. Alpaydin and C. Kaynak,
"Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0).
"""

import io
from collections.abc import Iterator
from typing import IO

import numpy as np
from PIL import Image

__all__ = ["SAMPLE", "SAMPLE_COUNT", "SAMPLE_NAME", "sample_images"]

SAMPLE = "sample"
"""The source that names this set."""
SAMPLE_NAME = "Handwritten digits (sample)"
SAMPLE_COUNT = 1797
_SIDE = 160


def sample_images() -> Iterator[tuple[str, str, IO[bytes]]]:
    """The digits as (name, label, PNG file): dark ink on white paper, 160 × 160 pixels.

    A margin of one of the original pixels is added, for the ink reaches the edges.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (ink, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        paper = np.pad(255 - ink / 16 * 255, 1, constant_values=255)  # (8, 8) -> (10, 10)
        grey = Image.fromarray(paper.round().astype(np.uint8))
        file = io.BytesIO()
        grey.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
        file.seek(0)
        yield f"digits/{digit}/{number:04}.png", str(digit), file

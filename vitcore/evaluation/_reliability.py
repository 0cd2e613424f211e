"""Reliability diagrams: accuracy against confidence."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation._intervals import wilson_interval
from vitcore.evaluation._metrics import calibration_error, check_shapes, equal_count_bins

__all__ = ["calibration_noise_floor", "reliability"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def reliability(true: Ints, probabilities: Floats, bins: int = 10) -> pd.DataFrame:
    """Confidence and accuracy in the bins of `expected_calibration_error`, least confident first.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C), rows adding up to 1.
        bins: Number of bins; fewer where there are fewer images or many equal confidences.

    Returns:
        Columns confidence (mean), accuracy, low and high (its 95 % interval, Wilson's), images; one row
        per bin that holds any.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    check_shapes(true, probabilities, probabilities.shape[-1])
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    _, in_bin, images = np.unique(equal_count_bins(confidence, bins), return_inverse=True, return_counts=True)
    hits = np.bincount(in_bin, weights=right)
    bounds = [wilson_interval(int(hit), int(total)) for hit, total in zip(hits, images, strict=True)]
    return pd.DataFrame(
        {
            "confidence": np.bincount(in_bin, weights=confidence) / images,
            "accuracy": hits / images,
            "low": [low for low, _ in bounds],
            "high": [high for _, high in bounds],
            "images": images,
        }
    )


def calibration_noise_floor(
    probabilities: Floats, bins: int = 10, *, repeats: int = 200, seed: int = 0
) -> float:
    """The expected calibration error, 0 … 1, that honest confidences would show on as many images by chance.

    The mean over simulated sets in which each prediction is right with the probability that its confidence
    says: the consistency resampling of J. Bröcker and L. A. Smith, "Increasing the reliability of
    reliability diagrams", 2007. NaN without images.

    Args:
        probabilities: (N, C), rows adding up to 1.
        bins: As for `expected_calibration_error`.
        repeats: Number of simulated sets.
        seed: The same seed gives the same figure.
    """
    if not len(probabilities):
        return float("nan")
    random = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1)
    in_bin = equal_count_bins(confidence, bins)
    errors = [
        calibration_error(confidence, random.random(len(confidence)) < confidence, in_bin)
        for _ in range(repeats)
    ]
    return float(np.mean(errors))

"""Paired comparison of two classifiers on the same images."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitcore.errors import InputError
from vitcore.evaluation._intervals import Z

__all__ = ["Comparison", "compare"]

_CHANCE = 0.05  # p-value, from which on a difference may well be chance


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two classifiers on the same images.

    Attributes:
        both_right: Number of images that both recognised.
        only_first: … that only the first did.
        only_second: … that only the second did.
        both_wrong: … that neither did.
        difference: Accuracy of the first minus that of the second, −1 … 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: How likely the two would differ at least as much by chance if they were equally good.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def may_be_chance(self) -> bool:
        """True unless both the test and the interval say that one of them is better."""
        return self.p_value >= _CHANCE or self.low <= 0 <= self.high

    @property
    def images(self) -> int:
        """Number of images judged."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong


def compare(
    true: npt.NDArray[np.int64], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Comparison:
    """Compare what two classifiers predicted for the same images.

    The interval adds half an image to each of the four counts: A. Agresti and Y. Min, "Simple improved
    confidence intervals for comparing matched proportions", 2005.

    Args:
        true: (N,), class numbers.
        first: (N,), predictions of the one.
        second: (N,), of the other.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    if not len(true) or not true.shape == first.shape == second.shape or true.ndim != 1:
        raise InputError(
            "Labels of shape {labels} and predictions of shapes {first} and {second} do not match; give at "
            "least one image, as (N,) three times.",
            labels=str(true.shape),
            first=str(first.shape),
            second=str(second.shape),
        )
    right, also = first == true, second == true
    images = len(true)
    only_first, only_second = int((right & ~also).sum()), int((~right & also).sum())
    centre = (only_first - only_second) / (images + 2)
    variance = (only_first + only_second + 1) / (images + 2) - centre**2
    half = Z * math.sqrt(variance / (images + 2))
    return Comparison(
        both_right=int((right & also).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right & ~also).sum()),
        difference=(only_first - only_second) / images,
        low=max(centre - half, -1.0),
        high=min(centre + half, 1.0),
        p_value=_mcnemar(only_first, only_second),
    )


def _mcnemar(only_first: int, only_second: int) -> float:
    """Probability of two counts at least as far apart if both are equally likely, 0 … 1, exactly.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", 1947; by the binomial distribution, as it is exact.
    """
    from scipy.special import bdtr

    discordant = only_first + only_second
    return min(2 * float(bdtr(min(only_first, only_second), discordant, 0.5)), 1.0)

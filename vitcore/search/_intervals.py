"""The difference of two recipes on the same photos, with its interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PairedDifference", "paired_difference"]

_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """The share of photos that one recipe has right more often than another.

    Attributes:
        value: −1 … 1.
        low: Lower end of its interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def paired_difference(
    first: npt.NDArray[np.float64],
    second: npt.NDArray[np.float64],
    groups: npt.NDArray[Any],
    *,
    compared: int = 1,
) -> PairedDifference:
    """Return by how much the first recipe is right more often than the second, on the same photos.

    The interval is Student's for a mean of photos that come in groups (W. G. Cochran, "Sampling Techniques",
    1977), to which half a photo is added on each side, so that a few photos that all agree are no proof
    (A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched proportions", 2005).
    Of several recipes that are compared with one, all intervals together hold the truth in 95 % of all
    searches (O. J. Dunn, "Multiple comparisons among means", 1961): so the best of many is not taken for
    better by luck.

    Args:
        first: (N,), how often the first had each photo right in its cross-validations, 0 … 1.
        second: (N,), of the other.
        groups: (N,), what belongs together.
        compared: How many recipes are compared with the second.
    """
    from scipy.special import stdtrit

    apart = first - second
    images, value = len(apart), float(apart.mean())
    numbers = np.unique(groups, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    if count < 2:
        return PairedDifference(value=value, low=-1.0, high=1.0)
    # The centre moves towards 0 by the two pseudo-photos, one that speaks for each.
    total = images + 2
    centre = float(apart.sum()) / total
    sums = np.bincount(numbers, apart - centre)
    spread = count / (count - 1) * float((sums**2).sum()) + 1
    half = float(stdtrit(count - 1, 1 - _LEVEL / 2 / max(compared, 1))) * math.sqrt(spread) / total
    return PairedDifference(value=value, low=max(centre - half, -1.0), high=min(centre + half, 1.0))

"""Paired comparison of two classifiers on the same images."""

import math
from dataclasses import dataclass
from typing import Any

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
        groups: Number of groups that the images come from, as many as images where each stands alone.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    difference: float
    low: float
    high: float
    p_value: float
    groups: int

    @property
    def may_be_chance(self) -> bool:
        """True unless both the test and the interval say that one of them is better."""
        return self.p_value >= _CHANCE or self.low <= 0 <= self.high

    @property
    def images(self) -> int:
        """Number of images judged."""
        return self.both_right + self.only_first + self.only_second + self.both_wrong


def compare(
    true: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    groups: npt.NDArray[Any] | None = None,
) -> Comparison:
    """Compare what two classifiers predicted for the same images.

    The interval adds half an image to each of the four counts: A. Agresti and Y. Min, "Simple improved
    confidence intervals for comparing matched proportions", 2005. Images that belong together, such as the
    frames of a burst, count there as the number of independent ones that they are worth, and the test takes
    each group as a whole.

    Args:
        true: (N,), class numbers.
        first: (N,), predictions of the one.
        second: (N,), of the other.
        groups: (N,), what belongs together; each image by itself if not given.

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
    numbers = np.arange(images) if groups is None else np.unique(groups, return_inverse=True)[1]
    apart = right.astype(np.int64) - also  # 1 where the first alone is right, -1 where the second is
    count = int(numbers.max()) + 1
    only_first, only_second = int((right & ~also).sum()), int((~right & also).sum())
    worth, z = _worth(apart, numbers)
    total = images * worth + 2
    centre = (only_first - only_second) * worth / total
    variance = ((only_first + only_second) * worth + 1) / total - centre**2
    half = z * math.sqrt(variance / total)
    return Comparison(
        both_right=int((right & also).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~right & ~also).sum()),
        difference=(only_first - only_second) / images,
        low=max(centre - half, -1.0),
        high=min(centre + half, 1.0),
        p_value=_p_value(np.bincount(numbers, apart).astype(np.int64)),
        groups=count,
    )


def _worth(apart: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The number of independent images that an image is worth, and the quantile of the interval.

    The inverse of the design effect of a mean of images that come in groups, with Student's quantile for
    as many groups: W. G. Cochran, "Sampling Techniques", 1977. It is 1 at least, and at most that of images
    that are entirely alike within their group.

    Args:
        apart: (N,), -1, 0 or 1.
        numbers: (N,), the group of each, from 0.
    """
    from scipy.special import stdtrit

    sizes = np.bincount(numbers)
    images, count = len(apart), len(sizes)
    if count == images:
        return 1.0, Z
    if count == 1:
        return 1.0 / images, float(stdtrit(1, 0.975))
    largest = float((sizes**2).sum() / images)  # the effect where the images of each group are entirely alike
    spread = float(((apart - apart.mean()) ** 2).sum())
    effect = largest
    if spread:
        sums = np.bincount(numbers, apart - apart.mean())
        effect = count / (count - 1) * float((sums**2).sum()) / spread
    return 1 / min(max(effect, 1.0), largest), float(stdtrit(count - 1, 0.975))


def _p_value(sums: npt.NDArray[np.int64]) -> float:
    """Probability of a difference at least as large if the two are equally good, 0 … 1, exactly.

    Each group is as likely to speak for the one as for the other, as in R. A. Fisher, "The Design of
    Experiments", 1935. Where each image stands alone that is the test of Q. McNemar, "Note on the sampling
    error of the difference between correlated proportions or percentages", 1947, by the binomial
    distribution.

    Args:
        sums: By how many images each group speaks for the first, (K,).
    """
    from scipy.special import bdtr

    sizes = np.abs(sums[sums != 0])
    if (sizes == 1).all():
        return min(2 * float(bdtr(min((sums > 0).sum(), (sums < 0).sum()), len(sizes), 0.5)), 1.0)
    total = int(sizes.sum())
    chances = np.zeros(total + 1)  # by the number of images that speak for the first
    chances[0] = 1.0
    for size in sizes.tolist():
        turned = chances / 2
        turned[size:] += chances[:-size] / 2
        chances = turned
    as_far = np.abs(2 * np.arange(total + 1) - total) >= abs(int(sums.sum()))
    return min(float(chances[as_far].sum()), 1.0)

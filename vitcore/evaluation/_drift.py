"""Drift: whether a classifier in use is less at home with its photos than with those it was tested on.

Two figures of each answer are compared, confidence and novelty, by one-sided two-sample tests of Kolmogorov
and Smirnov (J. L. Hodges, "The significance probability of the Smirnov two-sample test", 1958). Each is
tested at half of `ALARM_RATE` (Bonferroni), so that without a drift at most that share of looks raises an
alarm.

They are one-sided for a reason beside power. What is expected comes from images that were not learned from:
answered by heads of a cross-validation, and compared with images of other groups only. The classifier in use
learned from all of them, so without any drift it is a little surer, and finds a little more that is alike.
That must not raise an alarm, and cannot.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ALARM_RATE", "DriftTest", "compare_use"]

ALARM_RATE = 0.01
"""Share of looks that raise an alarm although nothing changed, at most."""


@dataclass(frozen=True, kw_only=True)
class DriftTest:
    """The comparison of answers in use with those to images that were not learned from.

    Attributes:
        images: Number of answers in use.
        confidence_p: Probability that confidence is so much lower by chance.
        novelty_p: Probability that novelty is so much higher by chance.
    """

    images: int
    confidence_p: float
    novelty_p: float

    @property
    def is_less_sure(self) -> bool:
        """Whether confidence is lower than chance explains."""
        return self.confidence_p < ALARM_RATE / 2

    @property
    def is_less_alike(self) -> bool:
        """Whether novelty is higher than chance explains."""
        return self.novelty_p < ALARM_RATE / 2

    @property
    def has_drifted(self) -> bool:
        """Whether one of both is so."""
        return self.is_less_sure or self.is_less_alike


def compare_use(
    expected: tuple[npt.ArrayLike, npt.ArrayLike], found: tuple[npt.ArrayLike, npt.ArrayLike]
) -> DriftTest:
    """Compare answers.

    Args:
        expected: Confidence and novelty of images that were not learned from, (M,) each.
        found: The same of answers in use, (N,) each.
    """
    from scipy.stats import ks_2samp

    (sure, novel), (sure_in_use, novel_in_use) = expected, found
    return DriftTest(
        images=len(np.asarray(sure_in_use)),
        # Of values that are smaller the distribution function is greater.
        confidence_p=float(ks_2samp(sure_in_use, sure, alternative="greater", method="asymp").pvalue),
        novelty_p=float(ks_2samp(novel_in_use, novel, alternative="less", method="asymp").pvalue),
    )

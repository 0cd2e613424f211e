"""Intervals of figures from a limited number of images.

The intervals of balanced accuracy, kappa and macro F1 are made alike:

1. The variance of the figure is that of its linear approximation, with every image drawn on its own
   (delta method).
2. It is taken at a confusion matrix to which two pseudo-images per class were added, so that a class
   with a handful of images, all of them right, is not taken for a class that is always right. That is the
   idea of A. Agresti and B. A. Coull, "Approximate is better than 'exact' for interval estimation of
   binomial proportions", 1998.
3. It gives the number of images of a plain share that would be as informative; with that number goes the
   interval of Wilson. This is how surveys with unequal weights do it: C. Franco, R. J. A. Little, T. A.
   Louis and E. V. Slud, "Comparative study of confidence intervals for proportions in complex sample
   surveys", 2019.

Images of one group, such as the frames of a burst, tell less than as many independent ones. How much less
is taken from the accuracy (`independence`), and holds for all figures: every interval is that of as many
images as the groups are worth.

``python -m benchmarks intervals`` measures how often they hold the true value. The percentile bootstrap of
the macro F1 does so in about 90 % of the sets of 60 images of ten classes.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "balanced_accuracy_interval",
    "cohen_kappa_interval",
    "independence",
    "macro_f1_interval",
    "mean_interval",
    "wilson_interval",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

Z = 1.959963984540054  # 97.5 % point of the normal distribution
_UNKNOWN = (math.nan, math.nan)
_PSEUDO_IMAGES = 2  # per class
_PSEUDO_GROUPS = 2  # whose images are all right or all wrong together


def independence(right: npt.NDArray[np.bool_], groups: npt.NDArray[Any]) -> float:
    """The number of independent images that an image is worth, above 0 and up to 1.

    The design effect of a share of images drawn group by group, and the factor for estimating it from few
    groups: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number
    of positive counts estimated from survey data", 1998. As a handful of groups says little about how alike
    the images of one are, two pseudo-groups whose images are entirely alike are added.

    Args:
        right: (N,), whether the answer to an image was right.
        groups: (N,), what belongs together; an image with a value of its own stands alone.
    """
    from scipy.special import stdtrit

    numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    images, count = len(right), len(sizes)
    if count == images:
        return 1.0
    if count < 2:
        return 1.0 / images
    share = float(right.mean())
    largest = float((sizes**2).sum() / images)  # the design effect of images entirely alike
    effect = largest
    if 0 < share < 1:
        sums = np.bincount(numbers, right - share)
        effect = count / (count - 1) * float((sums**2).sum()) / (images * share * (1 - share))
    alike = min(max((effect - 1) / (largest - 1), 0.0), 1.0)
    alike = (alike * count + _PSEUDO_GROUPS) / (count + _PSEUDO_GROUPS)
    few = (Z / float(stdtrit(count - 1, 0.975))) ** 2
    return few / (1 + (largest - 1) * alike)


def wilson_interval(hits: int, total: int, worth: float = 1.0) -> Interval:
    """The 95 % interval of a share, right also near 0 and 1 and for few images; NaN without any.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        hits: 0 … total.
        total: Number of images.
        worth: Of an image, as `independence` says.
    """
    return _wilson(hits / total, total * worth) if total else _UNKNOWN


def _wilson(share: float, total: float) -> Interval:
    square = Z**2 / total
    centre = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    # The share itself is kept inside, where rounding would leave it out.
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def balanced_accuracy_interval(confusion: Ints, worth: float = 1.0) -> Interval:
    """The 95 % interval of the balanced accuracy, over the classes that occur: (C, C) -> low, high.

    See the top of this module, and `independence` for `worth`. NaN where it is not defined: without images,
    or with one class in all.
    """
    total = int(confusion.sum())
    if not total:
        return _UNKNOWN
    cells = _likely_cells(confusion)
    support = confusion.sum(axis=1)
    present = support > 0
    counted = np.where(present, support, 1)
    recall = np.diag(cells).astype(np.float64) * total / counted
    slope = (np.eye(len(cells)) - recall[:, np.newaxis]) * (total / counted)[:, np.newaxis] / present.sum()
    value = float((np.diag(confusion) / counted)[present].mean())
    images = _equivalent_images(cells, slope, float(recall[present].mean()), total)
    return _wilson(value, images * worth) if images else _UNKNOWN


def cohen_kappa_interval(confusion: Ints, worth: float = 1.0) -> Interval:
    """The 95 % interval of Cohen's kappa: (C, C) -> low, high.

    See the top of this module, and `independence` for `worth`; the share is the agreement that kappa
    corrects for chance. The slopes are
    those of J. L. Fleiss, J. Cohen and B. S. Everitt, "Large sample standard errors of kappa and weighted
    kappa", 1969. NaN where it is not defined: without images, or if one class alone occurs.
    """
    total = int(confusion.sum())
    if not total:
        return _UNKNOWN
    cells = _likely_cells(confusion)
    true, predicted = cells.sum(axis=1), cells.sum(axis=0)
    agreement, expected = float(np.trace(cells)), float(true @ predicted)
    # Of kappa, times 1 − expected, so that it is a slope of the agreement corrected for chance.
    slope = np.eye(len(cells)) - (1 - agreement) / (1 - expected) * np.add.outer(predicted, true)
    images = _equivalent_images(cells, slope, agreement, total)
    chance = float(confusion.sum(axis=1) @ confusion.sum(axis=0) / total**2)
    if not images or chance == 1:
        return _UNKNOWN
    low, high = _wilson(float(np.trace(confusion) / total), images * worth)
    return max((low - chance) / (1 - chance), -1.0), (high - chance) / (1 - chance)


def macro_f1_interval(confusion: Ints, worth: float = 1.0) -> Interval:
    """The 95 % interval of the macro F1, over the classes that occur or were predicted: (C, C) -> low, high.

    See the top of this module, and `independence` for `worth`. The slopes are those of K. Takahashi,
    K. Yamamoto, A. Kuchiba and T. Koyama,
    "Confidence interval for micro-averaged F1 and macro-averaged F1 scores", 2022. The F1 of few images is
    on average too low, by F1 (1 − F1) / (true + predicted) to second order; the interval lies around the
    value without that. NaN where it is not defined: without images, or with one class in all.
    """
    total = int(confusion.sum())
    if not total:
        return _UNKNOWN
    cells = _likely_cells(confusion)
    count = confusion.sum(axis=1) + confusion.sum(axis=0)
    seen = count > 0
    both = np.where(seen, cells.sum(axis=1) + cells.sum(axis=0), 1)
    f1 = np.where(seen, 2 * np.diag(cells) / both, 0)
    slope = (2 * np.eye(len(cells)) / both - np.add.outer(f1 / both, f1 / both)) / seen.sum()
    images = _equivalent_images(cells, slope, float(f1[seen].mean()), total)
    if not images:
        return _UNKNOWN
    counted = np.where(seen, count, 1)
    value = float((2 * np.diag(confusion) / counted)[seen].mean())
    bias = float((f1 * (1 - f1) / counted)[seen].mean())
    low, high = _wilson(min(value + bias, 1.0), images * worth)
    return min(low, value), high


def _likely_cells(confusion: Ints) -> Floats:
    """Likely shares of the images in each cell of the confusion matrix: (C, C) -> (C, C), adding up to 1.

    True classes keep their share; within each, two pseudo-images are added that are right as often as all
    are, and otherwise predicted as all are.
    """
    total, support = confusion.sum(), confusion.sum(axis=1, keepdims=True)
    right = (np.trace(confusion) + 1) / (total + 2)
    predicted = (confusion.sum(axis=0) + 1 / len(confusion)) / (total + 1)
    usual = right * np.eye(len(confusion)) + (1 - right) * predicted
    shares: Floats = (confusion + _PSEUDO_IMAGES * usual) / (support + _PSEUDO_IMAGES) * support / total
    return shares


def _equivalent_images(cells: Floats, slope: Floats, share: float, total: int) -> float:
    """Return the number of images that determine a plain share as precisely; 0 if the figure cannot vary.

    Args:
        cells: (C, C), shares of the images.
        slope: (C, C), by how much the figure grows with each of the cells.
        share: The figure, 0 … 1.
        total: Number of images.
    """
    variance = float((cells * (slope - (cells * slope).sum()) ** 2).sum())
    return share * (1 - share) / variance * total if variance > 1e-12 else 0.0


def mean_interval(values: Floats, worth: float = 1.0) -> Interval:
    """The 95 % interval of a mean of skewed values, such as losses; NaN for fewer than two.

    Student's interval after the cubic transformation that takes the skewness out, of P. Hall, "On the removal
    of skewness by transformation", 1992. The losses of a few confident mistakes are far from normal.

    Args:
        values: (N,), none negative.
        worth: Of a value, as `independence` says.
    """
    from scipy.special import stdtrit

    total = len(values) * worth
    if len(values) < 2 or total <= 1:
        return _UNKNOWN
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if not deviation:
        return mean, mean
    skewness = float((((values - mean) / deviation) ** 3).mean())

    def untransformed(quantile: float) -> float:
        shifted = quantile / math.sqrt(total) - skewness / (6 * total)
        root = math.cbrt(1 + skewness * shifted)
        return 3 * shifted / (root**2 + root + 1)  # 3 (root − 1) / skewness, which fails without skewness

    quantile = float(stdtrit(total - 1, 0.975))
    low = max(mean - deviation * untransformed(quantile), 0.0)
    return low, mean - deviation * untransformed(-quantile)

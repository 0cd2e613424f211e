"""How far a figure from a limited number of images may be off."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["bootstrap_interval", "wilson_interval"]

_Z = 1.959963984540054  # 97.5 % point of the normal distribution
RESAMPLES = 1000


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, right also near 0 and 1 and for few images; NaN without any.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not total:
        return float("nan"), float("nan")
    share, square = hits / total, _Z**2 / total
    centre = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / total + square / (4 * total)) / (1 + square)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def bootstrap_interval(
    metric: Callable[[npt.NDArray[np.int64]], float], count: int, *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a metric; NaN where it is not defined.

    B. Efron, "Bootstrap methods: another look at the jackknife", 1979.

    Args:
        metric: Gets row numbers drawn with replacement, (count,), and gives the metric on them.
        count: Number of rows.
        seed: The same seed gives the same interval.
    """
    random = np.random.default_rng(seed)
    values = np.array([metric(random.integers(0, count, count)) for _ in range(RESAMPLES)])
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES // 2:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)

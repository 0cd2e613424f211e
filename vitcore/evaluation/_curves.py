"""Curves of each class against all others."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.evaluation._metrics import check_shapes

__all__ = ["precision_recall_curves", "roc_curves"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MAX_POINTS = 200


def roc_curves(true: Ints, probabilities: Floats, classes: Sequence[str]) -> pd.DataFrame:
    """Return the ROC curve of each class against the others, from (0, 0) to (1, 1).

    A class that no image has, or that all images have, has no such curve and is left out.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C).
        classes: C names.

    Returns:
        Columns class, false_positive_rate, true_positive_rate (both 0 … 1, not falling) and area under the
        curve, 0 … 1. At most 200 rows per class; the area is that of all points.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    from sklearn.metrics import auc, roc_curve

    check_shapes(true, probabilities, len(classes))
    curves = []
    for number, name in enumerate(classes):
        positive = true == number
        if positive.any() and not positive.all():
            alarms, found, _ = roc_curve(positive, probabilities[:, number])
            axes = {"false_positive_rate": alarms, "true_positive_rate": found}
            curves.append(_curve(name, axes, auc(alarms, found)))
    return _table(curves, ["class", "false_positive_rate", "true_positive_rate", "area"])


def precision_recall_curves(true: Ints, probabilities: Floats, classes: Sequence[str]) -> pd.DataFrame:
    """Return the precision-recall curve of each class against the others.

    A class that no image has is left out.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C).
        classes: C names.

    Returns:
        Columns class, recall (0 … 1, not falling), precision (0 … 1, starting at 1) and area, the average
        precision, 0 … 1. At most 200 rows per class; the area is that of all points.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    from sklearn.metrics import precision_recall_curve

    check_shapes(true, probabilities, len(classes))
    curves = []
    for number, name in enumerate(classes):
        positive = true == number
        if positive.any():
            precision, recall, _ = precision_recall_curve(positive, probabilities[:, number])
            axes = {"recall": recall[::-1], "precision": precision[::-1]}
            curves.append(_curve(name, axes, -float(np.diff(recall) @ precision[:-1])))
    return _table(curves, ["class", "recall", "precision", "area"])


def _curve(name: str, axes: dict[str, Floats], area: float) -> pd.DataFrame:
    """The curve of a class, thinned to points at equal distances along it; its ends stay."""
    x, y = axes.values()
    walked = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.arange(len(x))
    if len(x) > _MAX_POINTS:
        kept = np.unique(np.searchsorted(walked, np.linspace(0.0, walked[-1], _MAX_POINTS)))
    return pd.DataFrame(
        {"class": name, **{axis: values[kept] for axis, values in axes.items()}, "area": area}
    )


def _table(curves: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)

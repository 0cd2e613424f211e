"""The figures of a head on images it did not learn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation import _intervals as intervals
from vitcore.evaluation import _metrics as metrics
from vitcore.evaluation._intervals import wilson_interval
from vitcore.records import Figure, array, plain_values

__all__ = ["Evaluation", "Metric", "evaluate"]

_ALWAYS = {
    "accuracy",
    "balanced_accuracy",
    "cohen_kappa",
    "macro_f1",
    "log_loss",
    "expected_calibration_error",
}


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % interval; NaN where it, or the interval, is not defined."""

    value: Figure
    low: Figure = math.nan
    high: Figure = math.nan


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Figures on one set of labelled images.

    Attributes:
        classes: Class names, the order of the confusion matrix.
        metrics: By name: accuracy, balanced_accuracy, cohen_kappa, macro_f1, log_loss,
            expected_calibration_error, and with more than three classes top_3_accuracy.
        confusion: (C, C), true classes as rows.

    Raises:
        InputError: A figure is missing, or the matrix does not fit the classes.
    """

    classes: tuple[str, ...]
    metrics: dict[str, Metric]
    confusion: Annotated[npt.NDArray[np.int64], array("int64")]

    def __post_init__(self) -> None:
        """Refuse what is no evaluation."""
        if missing := _ALWAYS - self.metrics.keys():
            raise InputError("The figures lack {names}.", names=sorted(missing))
        count = len(self.classes)
        if self.confusion.shape != (count, count) or (self.confusion < 0).any() or not self.confusion.any():
            raise InputError(
                "The confusion matrix is of shape {shape}; give counts of shape {wanted}.",
                shape=str(self.confusion.shape),
                wanted=str((count, count)),
            )

    @property
    def images(self) -> int:
        """Number of images judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the images whose class was predicted."""
        return self.metrics["accuracy"].value

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the share that was recognised."""
        return self.metrics["balanced_accuracy"].value

    @property
    def cohen_kappa(self) -> float:
        """Agreement beyond chance."""
        return self.metrics["cohen_kappa"].value

    @property
    def mistakes(self) -> npt.NDArray[np.int64]:
        """The confusion matrix without what is right, (C, C)."""
        mistakes = self.confusion.copy()
        np.fill_diagonal(mistakes, 0)
        return mistakes

    def per_class(self) -> pd.DataFrame:
        """Columns class, precision, recall, recall_low, recall_high, f1, support; one row per class."""
        precision, recall, f1 = metrics.precision_recall_f1(self.confusion)
        support = self.confusion.sum(axis=1)
        bounds = [
            wilson_interval(int(hits), int(total))
            for hits, total in zip(np.diag(self.confusion), support, strict=True)
        ]
        return pd.DataFrame(
            {
                "class": self.classes,
                "precision": precision,
                "recall": recall,
                "recall_low": [low for low, _ in bounds],
                "recall_high": [high for _, high in bounds],
                "f1": f1,
                "support": support,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: classes, metrics, confusion, images."""
        return {**plain_values(self), "images": self.images}


def evaluate(
    true: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: Sequence[str]
) -> Evaluation:
    """All figures, with 95 % intervals.

    The calibration error has none: resampling only adds to it. `calibration_noise_floor` tells how much of
    it is chance. The three most probable classes are looked at only if there are more than three.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C), rows adding up to 1.
        classes: C names.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    metrics.check_shapes(true, probabilities, len(classes))
    confusion = metrics.confusion_matrix(true, probabilities.argmax(axis=1), len(classes))
    losses = metrics.log_losses(true, probabilities)
    found = {
        "accuracy": Metric(
            metrics.accuracy(confusion), *wilson_interval(int(np.trace(confusion)), len(true))
        ),
        "balanced_accuracy": Metric(
            metrics.balanced_accuracy(confusion), *intervals.balanced_accuracy_interval(confusion)
        ),
        "cohen_kappa": Metric(metrics.cohen_kappa(confusion), *intervals.cohen_kappa_interval(confusion)),
        "macro_f1": Metric(metrics.macro_f1(confusion), *intervals.macro_f1_interval(confusion)),
        "log_loss": Metric(float(losses.mean()), *intervals.mean_interval(losses)),
        "expected_calibration_error": Metric(metrics.expected_calibration_error(true, probabilities)),
    }
    if len(classes) > 3:
        hits = metrics.in_top_3(true, probabilities)
        found["top_3_accuracy"] = Metric(float(hits.mean()), *wilson_interval(int(hits.sum()), len(true)))
    return Evaluation(classes=tuple(classes), metrics=found, confusion=confusion)

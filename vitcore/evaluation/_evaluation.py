"""The figures of a head on images it did not learn from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation import _intervals as intervals
from vitcore.evaluation import _metrics as metrics
from vitcore.evaluation._intervals import wilson_interval
from vitcore.evaluation._names import METRICS
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
        worth: Of an image for the intervals, above 0 and up to 1; below 1 where images belong together.

    Raises:
        InputError: A figure is missing, or the matrix does not fit the classes.
    """

    classes: tuple[str, ...]
    metrics: dict[str, Metric]
    confusion: Annotated[npt.NDArray[np.int64], array("int64")]
    worth: float = 1.0

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

    def with_fewer_errors(self, remaining: float) -> "Evaluation":
        """Return the figures of a classifier that errs less often.

        Shares and scores keep a part of their errors. The confusion matrix stays as it was counted, and the
        loss and the calibration error as they were measured.

        Args:
            remaining: Part of the errors that is left, above 0 and up to 1.
        """

        def better(value: float) -> float:
            return 1 - (1 - value) * remaining

        scaled = {
            name: Metric(*map(better, (metric.value, metric.low, metric.high)))
            for name, metric in self.metrics.items()
            if not METRICS[name].lower_is_better
        }
        return replace(self, metrics={**self.metrics, **scaled})

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
            wilson_interval(int(hits), int(total), self.worth)
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
    true: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    classes: Sequence[str],
    groups: npt.NDArray[Any] | None = None,
    *,
    worth: float = 1.0,
) -> Evaluation:
    """All figures, with 95 % intervals.

    The calibration error has none: resampling only adds to it. `calibration_noise_floor` tells how much of
    it is chance. The three most probable classes are looked at only if there are more than three.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C), rows adding up to 1.
        classes: C names.
        groups: (N,), images that belong together, which widens the intervals; each by itself if not given.
        worth: Of an image for the intervals, 1 if it is answered independently of the others.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    metrics.check_shapes(true, probabilities, len(classes))
    predicted = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(true, predicted, len(classes))
    if groups is not None:
        worth *= intervals.independence(predicted == true, groups)
    losses = metrics.log_losses(true, probabilities)
    found = {
        "accuracy": Metric(
            metrics.accuracy(confusion), *wilson_interval(int(np.trace(confusion)), len(true), worth)
        ),
        "balanced_accuracy": Metric(
            metrics.balanced_accuracy(confusion), *intervals.balanced_accuracy_interval(confusion, worth)
        ),
        "cohen_kappa": Metric(
            metrics.cohen_kappa(confusion), *intervals.cohen_kappa_interval(confusion, worth)
        ),
        "macro_f1": Metric(metrics.macro_f1(confusion), *intervals.macro_f1_interval(confusion, worth)),
        "log_loss": Metric(float(losses.mean()), *intervals.mean_interval(losses, worth)),
        "expected_calibration_error": Metric(metrics.expected_calibration_error(true, probabilities)),
    }
    if len(classes) > 3:
        hits = metrics.in_top_3(true, probabilities)
        bounds = wilson_interval(int(hits.sum()), len(true), worth)
        found["top_3_accuracy"] = Metric(float(hits.mean()), *bounds)
    return Evaluation(classes=tuple(classes), metrics=found, confusion=confusion, worth=worth)

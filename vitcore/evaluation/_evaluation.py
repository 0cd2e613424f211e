"""What a head is worth on images it never saw."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation import _metrics as metrics
from vitcore.evaluation._intervals import bootstrap_interval, wilson_interval

__all__ = ["Evaluation", "Metric", "evaluate", "sure_threshold"]

_MAX_BOOTSTRAP_ROWS = 20_000


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % interval; NaN where it, or the interval, is not defined."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def to_dict(self) -> dict[str, float | None]:
        """Plain values, None for NaN."""
        pairs = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(number) else number for name, number in pairs.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Figures on one set of labelled images.

    Attributes:
        classes: Class names, the order of the confusion matrix.
        metrics: By name: accuracy, balanced_accuracy, cohen_kappa, macro_f1, log_loss,
            expected_calibration_error.
        confusion: (C, C), true classes as rows.
    """

    classes: tuple[str, ...]
    metrics: dict[str, Metric]
    confusion: npt.NDArray[np.int64]

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
        """Plain values for JSON: metrics, classes, confusion, images."""
        return {
            "metrics": {name: metric.to_dict() for name, metric in self.metrics.items()},
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "images": self.images,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From what `to_dict` gave."""
        return cls(
            classes=tuple(values["classes"]),
            metrics={
                name: Metric(
                    **{key: math.nan if number is None else number for key, number in metric.items()}
                )
                for name, metric in values["metrics"].items()
            },
            confusion=np.array(values["confusion"], dtype=np.int64),
        )


def evaluate(
    true: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: Sequence[str]
) -> Evaluation:
    """All figures, with 95 % intervals: Wilson's for the accuracy, bootstrap for the others.

    The calibration error has no interval: resampling only adds to it.

    Args:
        true: (N,), class numbers.
        probabilities: (N, C), rows adding up to 1.
        classes: C names.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    count = len(classes)
    if not len(true) or probabilities.shape != (len(true), count):
        raise InputError(
            f"{len(true)} labels and probabilities of shape {probabilities.shape} do not match; give at "
            f"least one image and (N, {count})."
        )
    predicted = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(true, predicted, count)

    def from_confusion(metric: Callable[[npt.NDArray[np.int64]], float]) -> Metric:
        def resampled(rows: npt.NDArray[np.int64]) -> float:
            return metric(metrics.confusion_matrix(true[rows], predicted[rows], count))

        low, high = bootstrap_interval(resampled, len(true)) if bootstraps else (math.nan, math.nan)
        return Metric(metric(confusion), low, high)

    # Beyond this many images the intervals are narrower than anyone reads, and slow to compute.
    bootstraps = len(true) <= _MAX_BOOTSTRAP_ROWS
    losses = -np.log(np.clip(probabilities[np.arange(len(true)), true], np.finfo(np.float64).eps, 1.0))
    spread = bootstrap_interval(lambda rows: float(losses[rows].mean()), len(true)) if bootstraps else ()
    return Evaluation(
        classes=tuple(classes),
        metrics={
            "accuracy": Metric(
                metrics.accuracy(confusion), *wilson_interval(int(np.trace(confusion)), len(true))
            ),
            "balanced_accuracy": from_confusion(metrics.balanced_accuracy),
            "cohen_kappa": from_confusion(metrics.cohen_kappa),
            "macro_f1": from_confusion(metrics.macro_f1),
            "log_loss": Metric(metrics.log_loss(true, probabilities), *spread),
            "expected_calibration_error": Metric(metrics.expected_calibration_error(true, probabilities)),
        },
        confusion=confusion,
    )


def sure_threshold(
    true: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], target: float = 0.95
) -> float:
    """The confidence from which on predictions were right often enough, and at least one half.

    Where nearly everything is right, even the least confident predictions are right often enough
    when counted with all the others; one that is by its own account more likely wrong is still not sure.

    Args:
        true: (N,), class numbers of images that were not learned from.
        probabilities: (N, C).
        target: Share of right predictions wanted among those at or above the threshold.

    Returns:
        The lowest such confidence, or 0.5 if it is lower; above 1, so that no prediction counts as
        sure, if there is none.
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(probabilities.argmax(axis=1)[order] == true[order])
    ends = np.append(np.diff(confidence[order]) != 0, True)  # equal confidences count together
    good = np.flatnonzero(ends & (right >= target * np.arange(1, len(true) + 1)))
    return max(float(confidence[order[good[-1]]]), 0.5) if len(good) else 1.01

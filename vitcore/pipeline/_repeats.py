"""Training again beside a run, on other divisions of the images or from other seeds, to see the spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.messages import message
from vitcore.pipeline._material import TrainingData
from vitcore.progress import Progress, Task
from vitcore.runs import CrossValidation, Repeats
from vitcore.training import FitResult, fit_heads
from vitcore.vectors import Vectors

__all__ = ["cross_validate", "repeat"]

_FIGURES = ("accuracy", "balanced_accuracy", "cohen_kappa")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Heads:
    """Heads to train together, as `vitcore.training.fit_heads` takes them."""

    vectors: Vectors
    labels: Ints
    parts: Sequence[tuple[Ints, Ints]]
    seeds: Sequence[int] | None = None
    others: tuple[Vectors, Ints] | None = None


def cross_validate(
    data: TrainingData, folds: Ints, best: FitResult, task: Task
) -> tuple[CrossValidation, pd.DataFrame] | None:
    """Judge each fold by a head that learned from the others; None if it was stopped.

    The histories have the columns kind, number, and those of a run's history.

    A head must not be picked by the images that judge it, so each is judged after the epoch that was
    the best of the run itself, with the learning rates that the run had up to it.

    Args:
        data: Its views must be those of all images.
        folds: (N,), fold numbers from 0.
        best: How the run itself ended.
        task: Where progress is reported, and what stops it.
    """
    count = int(folds.max()) + 1
    task.report(
        Progress(phase="fit", message=message("Cross-validation: {count} more trainings.", count=count))
    )
    parts = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in range(count)]
    found = _fit_each(_Heads(vectors=data.views, labels=data.truth, parts=parts), data, best, task)
    if found is None:
        return None
    figures, histories = found
    return CrossValidation(folds=count, **figures), histories.assign(kind="fold")


def repeat(data: TrainingData, best: FitResult, task: Task) -> tuple[Repeats, pd.DataFrame] | None:
    """Train on the same images from the seeds after that of the run; None if it was stopped.

    What varies is what is random in a training: how it begins, and the order of the images. Each is
    judged after the best epoch of the run itself.

    Args:
        data: As of the run.
        best: How it ended.
        task: Where progress is reported, and what stops it.
    """
    h = data.hyperparameters
    task.report(
        Progress(phase="fit", message=message("{count} more trainings from other seeds.", count=h.repeats))
    )
    seeds = [(h.seed + number) % 2**32 for number in range(1, h.repeats + 1)]
    part = np.arange(len(data.train)), np.arange(len(data.validation))
    heads = _Heads(
        vectors=data.training,
        labels=data.training_truth,
        parts=[part] * len(seeds),
        seeds=seeds,
        others=(data.validation_vectors, data.validation_truth),
    )
    found = _fit_each(heads, data, best, task)
    if found is None:
        return None
    figures, histories = found
    return Repeats(seeds=tuple(seeds), **figures), histories.assign(kind="seed")


def _fit_each(
    heads: _Heads, data: TrainingData, best: FitResult, task: Task
) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """The figures of each head, and the histories with a column number; None if it was stopped."""
    epochs = len(best.history)
    meter = task.meter("fit", len(heads.parts) * epochs, unit="epochs")
    results = fit_heads(
        **vars(heads),
        classes=len(data.classes),
        hyperparameters=replace(data.hyperparameters, patience=0),
        epochs=epochs,
        device=data.device,
        on_epoch=lambda _: meter.add(1),
        stop=task.stop,
    )
    if task.stopped:
        return None
    judged = [result.history[min(best.best_epoch, len(result.history)) - 1] for result in results]
    figures: dict[str, Any] = {
        name: tuple(None if math.isnan(value := getattr(record, name)) else value for record in judged)
        for name in _FIGURES
    }
    histories = [pd.DataFrame(result.history).assign(number=n) for n, result in enumerate(results, start=1)]
    return figures, pd.concat(histories, ignore_index=True)

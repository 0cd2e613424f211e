"""Training again beside a run, on other divisions of the images or from other seeds, to see the spread."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.pipeline._material import Material
from vitcore.progress import Progress, Task
from vitcore.runs import CrossValidation, Repeats
from vitcore.training import FitResult, Hyperparameters, fit_heads
from vitcore.vectors import Vectors

__all__ = ["cross_validate", "repeat"]

_FIGURES = ("accuracy", "balanced_accuracy", "cohen_kappa")

Ints = npt.NDArray[np.int64]
Spread = tuple[dict[str, Any], pd.DataFrame]
"""The figures, and the histories: columns number, and those of a run's history."""


def cross_validate(
    material: Material,
    folds: Ints,
    h: Hyperparameters,
    best: FitResult,
    *,
    classes: int,
    device: str,
    task: Task,
) -> tuple[CrossValidation, pd.DataFrame] | None:
    """Judge each fold by a head that learned from the others; None if it was stopped.

    The histories have the columns kind, number, and those of a run's history.

    A head must not be picked by the images that judge it, so each is judged after the epoch that was
    the best of the run itself, with the learning rates that the run had up to it.

    Args:
        material: Its views must be those of all images.
        folds: (N,), fold numbers from 0.
        h: The settings of the run.
        best: How the run itself ended.
        classes: Number of classes.
        device: Where to compute.
        task: Where progress is reported, and what stops it.
    """
    count = int(folds.max()) + 1
    task.report(Progress(phase="fit", message=f"Cross-validation: {count} more trainings."))
    parts = [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in range(count)]
    found = _again(material.views, material.truth, parts, None, h, best, classes, device, task)
    if found is None:
        return None
    figures, histories = found
    return CrossValidation(folds=count, **figures), histories.assign(kind="fold")


def repeat(
    material: Material,
    h: Hyperparameters,
    best: FitResult,
    *,
    classes: int,
    device: str,
    task: Task,
) -> tuple[Repeats, pd.DataFrame] | None:
    """Train on the same images from the seeds after that of the run; None if it was stopped.

    What varies is what is random in a training: how it begins, and the order of the images. Each is
    judged after the best epoch of the run itself.

    Args:
        material: As of the run.
        h: Its settings.
        best: How it ended.
        classes: Number of classes.
        device: Where to compute.
        task: Where progress is reported, and what stops it.
    """
    task.report(Progress(phase="fit", message=f"{h.repeats} more trainings from other seeds."))
    seeds = [(h.seed + number) % 2**32 for number in range(1, h.repeats + 1)]
    truth = material.truth[material.train]
    others = material.vectors[material.validation], material.truth[material.validation]
    part = np.arange(len(truth)), np.arange(len(others[1]))
    found = _again(
        material.training,
        truth,
        [part] * len(seeds),
        seeds,
        h,
        best,
        classes,
        device,
        task,
        others,
    )
    if found is None:
        return None
    figures, histories = found
    return Repeats(seeds=tuple(seeds), **figures), histories.assign(kind="seed")


def _again(
    vectors: Vectors,
    truth: Ints,
    parts: Sequence[tuple[Ints, Ints]],
    seeds: Sequence[int] | None,
    h: Hyperparameters,
    best: FitResult,
    classes: int,
    device: str,
    task: Task,
    others: tuple[Vectors, Ints] | None = None,
) -> Spread | None:
    epochs = len(best.history)
    meter = task.meter("fit", len(parts) * epochs, unit="epochs")
    results = fit_heads(
        vectors,
        truth,
        parts,
        classes=classes,
        hyperparameters=replace(h, patience=0),
        seeds=seeds,
        others=others,
        epochs=epochs,
        device=device,
        on_epoch=lambda _: meter.add(1),
        stop=task.stop,
    )
    if task.stopped:
        return None
    judged = [result.history[min(best.best_epoch, len(result.history)) - 1] for result in results]
    figures: dict[str, Any] = {
        name: tuple(None if math.isnan(record[name]) else record[name] for record in judged)
        for name in _FIGURES
    }
    histories = [pd.DataFrame(result.history).assign(number=n) for n, result in enumerate(results, start=1)]
    return figures, pd.concat(histories, ignore_index=True)

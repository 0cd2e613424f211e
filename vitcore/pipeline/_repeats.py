"""Training again beside a run, from other seeds, to see the spread."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from vitcore.messages import message
from vitcore.pipeline._material import TrainingData
from vitcore.progress import Progress, Task
from vitcore.runs import Repeats
from vitcore.training import FitResult, fit_heads

__all__ = ["repeat"]

_FIGURES = ("accuracy", "balanced_accuracy", "cohen_kappa")


def repeat(data: TrainingData, best: FitResult, task: Task) -> tuple[Repeats, pd.DataFrame] | None:
    """Train on the same images from the seeds after that of the run; None if it was stopped.

    What varies is what is random in a training: how it begins, and the order of the images. Each is
    judged after the best epoch of the run itself.

    Args:
        data: As of the run.
        best: How it ended.
        task: Where progress is reported, and what stops it.
    """
    h, epochs = data.hyperparameters, len(best.history)
    task.report(
        Progress(phase="fit", message=message("{count} more trainings from other seeds.", count=h.repeats))
    )
    seeds = [(h.seed + number) % 2**32 for number in range(1, h.repeats + 1)]
    meter = task.meter("fit", len(seeds) * epochs, unit="epochs")
    results = fit_heads(
        data.training,
        data.training_truth,
        [(np.arange(len(data.train)), np.arange(len(data.validation)))] * len(seeds),
        seeds=seeds,
        others=(data.validation_vectors, data.validation_truth),
        classes=len(data.classes),
        hyperparameters=replace(h, patience=0),
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
    return Repeats(seeds=tuple(seeds), **figures), pd.concat(histories, ignore_index=True).assign(kind="seed")

"""The learning-rate range test."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from vitcore.errors import SettingsError
from vitcore.records import table
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._learners import MiniBatches
from vitcore.training._loop import new_fit_data
from vitcore.training._steps import threads_for
from vitcore.vectors import Vectors

__all__ = ["LearningRateCurve", "learning_rate_curve"]

_LOWEST, _HIGHEST = 1e-6, 10.0
_MEMORY = 0.9  # of the smoothed loss
_BEYOND = 4.0  # times the lowest loss so far, where the curve ends


@dataclass(frozen=True, eq=False, kw_only=True)
class LearningRateCurve:
    """The loss while the learning rate rises.

    Attributes:
        curve: One row per step: ``learning_rate``, ``loss`` of the batch before the step, in nats, and
            ``smoothed``, its moving average.
        suggestion: A rate that learns fast and is safe.
    """

    curve: Annotated[pd.DataFrame, table(dict.fromkeys(("learning_rate", "loss", "smoothed"), "float"))]
    suggestion: float


def learning_rate_curve(
    training: Vectors,
    labels: npt.NDArray[np.int64],
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    steps: int = 100,
    device: str = "cpu",
    stop: Event | None = None,
) -> LearningRateCurve:
    """Train once with a learning rate that rises from step to step, from 10⁻⁶ to 10.

    It ends early where the loss grows beyond all bounds (L. Smith, "Cyclical Learning Rates for
    Training Neural Networks", 2017). The suggestion is the rate at which the smoothed loss falls
    fastest, or a tenth of the one at which it is lowest if that is less: with many small steps, the
    first comes too close to rates that do harm.

    Args:
        training: (N, V, D), V views of each training image.
        labels: (N,), class numbers.
        classes: Number of classes C.
        hyperparameters: How to train; the learning rate and its schedule play no part.
        steps: 20 … 1000.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        stop: Set it to end early, with the points measured by then.

    Raises:
        SettingsError: With ``lbfgs``, which has no learning rate, or with `steps` out of range.
    """
    if hyperparameters.optimizer == "lbfgs":
        raise SettingsError("lbfgs has no learning rate to be found; choose another optimizer.")
    if not 20 <= steps <= 1000:
        raise SettingsError("steps is {steps}; give a whole number from 20 to 1000.", steps=steps)
    nothing = np.empty((0, training.shape[2]), dtype=np.float16), np.empty(0, dtype=np.int64)
    part = new_fit_data(training, labels, *nothing, hyperparameters.seed, device)
    learner = MiniBatches([part], classes=classes, h=hyperparameters, device=device)
    rows: list[dict[str, float]] = []
    average, lowest = 0.0, math.inf
    with torch.no_grad(), threads_for(learner.step_values, device):
        for number, (chosen, randoms) in zip(range(steps), _batches(learner), strict=False):
            if stop is not None and stop.is_set():
                break
            rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (steps - 1))
            loss = learner.step(chosen, rate, randoms).item() / chosen.shape[1]
            average = _MEMORY * average + (1 - _MEMORY) * loss
            smoothed = average / (1 - _MEMORY ** (number + 1))  # as if it had begun long ago
            if not math.isfinite(smoothed) or smoothed > _BEYOND * lowest:
                break
            lowest = min(lowest, smoothed)
            rows.append({"learning_rate": rate, "loss": loss, "smoothed": smoothed})
    curve = pd.DataFrame(rows, columns=["learning_rate", "loss", "smoothed"])
    return LearningRateCurve(curve=curve, suggestion=_suggestion(curve))


def _batches(learner: MiniBatches) -> Iterator[tuple[torch.Tensor, Sequence[np.random.Generator]]]:
    """Batch after batch, epoch after epoch."""
    epoch = 0
    while True:
        epoch += 1
        batches, randoms = learner.batches(epoch)
        for chosen in batches:
            yield chosen, randoms


def _suggestion(curve: pd.DataFrame) -> float:
    if len(curve) < 2:
        return Hyperparameters.learning_rate
    rates, smoothed = curve["learning_rate"].to_numpy(), curve["smoothed"].to_numpy()
    steepest = rates[np.gradient(smoothed).argmin()]  # the rates are equally spaced on a logarithmic scale
    return float(f"{max(min(steepest, rates[smoothed.argmin()] / 10), _LOWEST):.1e}")

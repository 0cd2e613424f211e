"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vitcore.errors import SettingsError
from vitcore.evaluation import accuracy, balanced_accuracy, cohen_kappa, confusion_matrix
from vitcore.training._head import LinearHead
from vitcore.training._hyperparameters import Hyperparameters

__all__ = ["EpochRecord", "FitResult", "fit_head"]

EpochRecord = dict[str, Any]
"""One epoch: ``epoch`` (from 1), ``training_loss``, ``validation_loss`` (cross-entropy in nats, without
smoothing and class weights, so that different settings compare), ``accuracy``, ``balanced_accuracy``,
``cohen_kappa`` (on the validation images), ``learning_rate`` (of the last step), ``seconds``."""

MOMENTUM = 0.9
_EVALUATION_ROWS = 65536
_SMALL_STEP = 2**20  # values in a batch, up to which one thread is faster


@dataclass(frozen=True, eq=False, kw_only=True)
class FitResult:
    """How a training ended.

    Attributes:
        head: The head of the best epoch.
        history: One record per finished epoch.
        best_epoch: The epoch with the lowest validation loss, counted from 1.
        outcome: ``complete``, or ``stopped`` when it was asked to stop.
    """

    head: LinearHead
    history: list[EpochRecord]
    best_epoch: int
    outcome: Literal["complete", "stopped"]


def fit_head(
    training: npt.NDArray[np.float16],
    training_labels: npt.NDArray[np.int64],
    validation: npt.NDArray[np.float16],
    validation_labels: npt.NDArray[np.int64],
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
) -> FitResult:
    """Train a linear head on embeddings.

    Embeddings are standardised by the mean and the standard deviation of the training part. The head
    starts at zero; the problem is convex, so nothing is gained by a random start. The epoch with
    the lowest validation loss is kept: unlike accuracy it hardly depends on luck with a few images.

    Args:
        training: (N, V, D), V views of each training image.
        training_labels: (N,), class numbers.
        validation: (M, D).
        validation_labels: (M,), class numbers.
        classes: Number of classes C.
        hyperparameters: How to train.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        on_epoch: Called after each epoch with its record.
        stop: Looked at before every batch; set it to end with the best head so far.

    Returns:
        The best head and the history. Stopped within the first epoch, the head is the one of that
        moment and the history is empty.

    Raises:
        SettingsError: The loss is not finite any more; the learning rate is too high.
    """
    h = hyperparameters
    stop = stop or Event()
    mean, std = _moments(training)

    def standardised(vectors: npt.NDArray[np.float16]) -> torch.Tensor:
        return torch.from_numpy((vectors.astype(np.float32) - mean) / std).to(device)

    views = training.shape[1]
    x = standardised(training.reshape(-1, training.shape[2]))  # (N, V, D) -> (N * V, D)
    y = torch.from_numpy(np.repeat(training_labels, views)).to(device)
    x_validation = standardised(validation)
    y_validation = torch.from_numpy(validation_labels).to(device)

    layer = nn.Linear(x.shape[1], classes, device="meta").to_empty(device=device)  # draws no random numbers
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = _optimizer(layer, h)
    objective = nn.CrossEntropyLoss(
        weight=_class_weights(training_labels, classes, device) if h.class_weights == "balanced" else None,
        label_smoothing=h.label_smoothing,
    )
    plain_loss = nn.CrossEntropyLoss(reduction="sum")
    order = torch.Generator().manual_seed(h.seed)
    steps = math.ceil(len(x) / h.batch_size)

    history: list[EpochRecord] = []
    best, best_epoch, lowest = _head(layer, mean, std), 0, math.inf
    with _threads_for(h.batch_size * x.shape[1], device):
        for epoch in range(1, h.epochs + 1):
            started = time.perf_counter()
            batches = torch.split(torch.randperm(len(x), generator=order).to(device), h.batch_size)
            summed = torch.zeros((), device=device)  # of the loss; read once per epoch
            for step, chosen in enumerate(batches):
                if stop.is_set():
                    head = best if best_epoch else _head(layer, mean, std)
                    return FitResult(head=head, history=history, best_epoch=best_epoch, outcome="stopped")
                rate = h.learning_rate * _schedule(h, (epoch - 1) + step / steps)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                logits, truth = layer(x[chosen]), y[chosen]
                loss = objective(logits, truth)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                summed += plain_loss(logits.detach(), truth)

            logits = _evaluate(layer, x_validation)
            confusion = confusion_matrix(validation_labels, logits.argmax(dim=1).cpu().numpy(), classes)
            training_loss = summed.item() / len(x)
            validation_loss = plain_loss(logits, y_validation).item() / len(x_validation)
            if not math.isfinite(validation_loss) or not math.isfinite(training_loss):
                raise SettingsError(
                    f"The loss grew beyond all bounds in epoch {epoch}; the learning rate of "
                    f"{h.learning_rate:g} is too high, try {h.learning_rate / 10:g}."
                )
            if validation_loss < lowest:
                best, best_epoch, lowest = _head(layer, mean, std), epoch, validation_loss
            history.append(
                {
                    "epoch": epoch,
                    "training_loss": training_loss,
                    "validation_loss": validation_loss,
                    "accuracy": accuracy(confusion),
                    "balanced_accuracy": balanced_accuracy(confusion),
                    "cohen_kappa": cohen_kappa(confusion),
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - started,
                }
            )
            if on_epoch is not None:
                on_epoch(history[-1])
    return FitResult(head=best, history=history, best_epoch=best_epoch, outcome="complete")


@contextmanager
def _threads_for(values: int, device: str) -> Iterator[None]:
    """One thread for steps on few values: dividing them up costs more than it saves.

    On two busy cores an epoch takes ten times as long with two threads as with one, for each of its
    thousands of small operations then waits for both cores to be free.
    """
    before = torch.get_num_threads()
    if device == "cpu" and values <= _SMALL_STEP:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _moments(vectors: npt.NDArray[np.float16]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean and standard deviation over images and views: (N, V, D) -> (D,), (D,).

    Summed in double precision, a slice at a time, so that no large copy is made. A dimension that
    never changes gets 1.
    """
    total = np.zeros(vectors.shape[2])
    squares = np.zeros(vectors.shape[2])
    count = vectors.shape[0] * vectors.shape[1]
    for start in range(0, len(vectors), 4096):
        part = vectors[start : start + 4096].astype(np.float64)
        total += part.sum(axis=(0, 1))
    mean = total / count
    for start in range(0, len(vectors), 4096):
        squares += ((vectors[start : start + 4096] - mean) ** 2).sum(axis=(0, 1))
    std = np.sqrt(squares / count)
    std[std < 1e-6] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)


def _optimizer(layer: nn.Linear, h: Hyperparameters) -> torch.optim.Optimizer:
    """The optimizer; weight decay applies to the weights and not to the biases.

    Fused: a step is one call instead of a dozen. Each call lets go of Python's lock, and a thread that
    draws a page meanwhile may keep it for a while.
    """
    groups = [
        {"params": [layer.weight], "weight_decay": h.weight_decay},
        {"params": [layer.bias], "weight_decay": 0.0},
    ]
    if h.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=h.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True)
    kind = torch.optim.AdamW if h.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=h.learning_rate, fused=True)


def _schedule(h: Hyperparameters, epoch: float) -> float:
    """Part of the full learning rate at a point in time, in epochs from 0: 0 … 1."""
    if epoch < h.warmup_epochs:
        return (epoch + 0.1) / (h.warmup_epochs + 0.1)  # not 0 in the very first step
    if h.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - h.warmup_epochs) / (h.epochs - h.warmup_epochs)))


def _class_weights(labels: npt.NDArray[np.int64], classes: int, device: str) -> torch.Tensor:
    """N / (C × count) per class, the "balanced" weights of G. King and L. Zeng, 2001: (C,)."""
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (classes * np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32, device=device)


def _evaluate(layer: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([layer(part) for part in torch.split(x, _EVALUATION_ROWS)])


def _head(layer: nn.Linear, mean: npt.NDArray[np.float32], std: npt.NDArray[np.float32]) -> LinearHead:
    """A copy of the layer as it is now."""
    weight, bias = (p.detach().cpu().numpy().copy() for p in (layer.weight, layer.bias))
    return LinearHead(weight=weight, bias=bias, mean=mean, std=std)

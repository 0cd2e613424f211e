"""Cross-validation of the whole recipe: an answer to every image by a head that no choice of it helped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from vitcore.errors import SettingsError, Stopped
from vitcore.folds import deal_folds
from vitcore.training._history import EpochRecord
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._loop import FitResult, fit_heads
from vitcore.vectors import Vectors

__all__ = ["CrossValidated", "cross_validate", "finish_head", "remaining_errors", "usual_folds"]

Ints = npt.NDArray[np.int64]
Parts = list[tuple[Ints, Ints]]

_FEWEST, _USUAL, _MOST = 3, 5, 20
_WORK = 6000  # images times folds, below which more folds are dealt
_GREAT_MANY = 10_000
_EXPONENT = 0.5  # of the learning curve


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossValidated:
    """The answers of a cross-validation.

    Attributes:
        logits: (N, C), of each image by a head that neither learned from its fold nor was chosen by it.
        fold: (N,), 0 … folds − 1.
    """

    logits: npt.NDArray[np.float32]
    fold: Ints


def usual_folds(labels: Ints, groups: npt.NDArray[Any]) -> int:
    """Return how many folds suit these images; 0 if there are fewer than three groups of them.

    The heads of K folds learn from 1 − 1 / K of the images, and so do a little worse than one that learns
    from all. Of few images every one counts, and a training takes no time: up to 20 folds for 300 images,
    10 for 600, 5 from 1,200 on, and 3 for more than 10,000, where a third more or less changes little. But no
    more than the rarest class has groups: a fold then takes as much of every class, and leaves them in
    balance. Of 40 photos of ten digits, 20 folds are right 4.9 points less often than 4.

    Args:
        labels: (N,), class numbers.
        groups: (N,), what may not be divided.
    """
    images, different = len(groups), len(np.unique(groups))
    if different < _FEWEST:
        return 0
    wanted = _FEWEST if images > _GREAT_MANY else min(max(_WORK // images, _USUAL), _MOST)
    rarest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    return max(min(wanted, rarest), _FEWEST)


def remaining_errors(labels: Ints, groups: npt.NDArray[Any], fold: Ints) -> float:
    """Return the part of the errors in a cross-validation that is left once all images are learned from.

    A head that answers a fold has learned from less: of the class of an image, of fewer groups. Errors fall
    as a power of what there is to learn from (J. Hestness et al., "Deep learning scaling is predictable,
    empirically", 2017); the exponent was measured, ``python -m benchmarks headline``. Among 40 photos a tenth
    of a class counts, among 600 it hardly does.

    Args:
        labels: (N,), class numbers.
        groups: (N,), what was not divided.
        fold: (N,).

    Returns:
        Above 0, up to 1.
    """
    shortage = np.zeros(len(labels))
    for label in np.unique(labels):
        own = labels == label
        there = len(np.unique(groups[own]))
        for number in np.unique(fold[own]):
            left = len(np.unique(groups[own & (fold != number)]))
            shortage[own & (fold == number)] = np.log(there / max(left, 1))
    return float(np.exp(-_EXPONENT * shortage.mean()))


def finish_head(
    vectors: Vectors,
    labels: Ints,
    validation: Ints,
    best: FitResult,
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    device: str = "cpu",
    stop: Event | None = None,
) -> FitResult:
    """Train a head on all images, once those that are to choose the best epoch have done so.

    It goes through all epochs: with more images to learn from, and a learning rate that ends at 0, the last
    one is the best or near it, and nothing has to be chosen. Only where patience is to end the training, it
    has as many epochs as were best.

    Args:
        vectors: (N, V, D), V views of each image, the first being the image itself.
        labels: (N,), class numbers.
        validation: Row numbers of those that chose.
        best: The training that they chose in.
        classes: Number of classes C.
        hyperparameters: How to train.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        stop: Looked at before every batch.

    Raises:
        SettingsError: The loss is not finite any more.
    """
    h = hyperparameters
    [finished] = fit_heads(
        vectors,
        labels,
        [(np.arange(len(labels)), validation)],
        classes=classes,
        hyperparameters=replace(h, patience=0),
        epochs=best.best_epoch if h.patience else h.epochs,
        keep="last",
        device=device,
        stop=stop,
    )
    return finished


def cross_validate(
    vectors: Vectors,
    labels: Ints,
    groups: npt.NDArray[Any],
    fold: Ints,
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
) -> CrossValidated:
    """Answer the images of each fold by what is learned from the others alone.

    The heads are trained as that of the run will be: by `finish_head`, or, where the settings do not want
    that, on a part of the images, the best epoch being chosen by the rest. Where there is an epoch to choose,
    ``validation_fraction`` of the images outside of the fold choose it. Nothing about a fold takes part in a
    choice for it (M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974).

    Args:
        vectors: (N, V, D), V views of each image, the first being the image itself.
        labels: (N,), class numbers.
        groups: (N,), what may not be divided, such as near-duplicates.
        fold: (N,), 0 … folds − 1; a group lies in one fold.
        classes: Number of classes C.
        hyperparameters: How to train.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        on_epoch: Called after each epoch of each head with its record.
        stop: Looked at before every batch.

    Raises:
        SettingsError: There are fewer than two folds, or the images outside of one are a single group; or
            the loss is not finite any more.
        Stopped: `stop` was set before the last head was finished.
    """
    h, stop = hyperparameters, stop or Event()
    options: dict[str, Any] = {"classes": classes, "device": device, "on_epoch": on_epoch, "stop": stop}
    outer = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]
    heads: list[FitResult] = []
    epochs = [h.epochs] * len(outer)
    if h.patience or not h.finish:
        # One by one: side by side, an epoch would be as long as the smallest of the parts, which hangs on
        # the labels of all.
        inner = [_divided(learned, labels, groups, h) for learned, _ in outer]
        heads = [
            head
            for part in inner
            for head in fit_heads(vectors, labels, [part], hyperparameters=h, **options)
        ]
        epochs = [max(head.best_epoch, 1) for head in heads]
    if h.finish and not stop.is_set():
        h = replace(h, patience=0)
        heads = fit_heads(vectors, labels, outer, hyperparameters=h, epochs=epochs, keep="last", **options)
    if stop.is_set():
        raise Stopped("The cross-validation was stopped.")
    logits = np.empty((len(labels), classes), dtype=np.float32)
    for result, (_, judged) in zip(heads, outer, strict=True):
        logits[judged] = result.head.logits(vectors[judged, 0])
    return CrossValidated(logits=logits, fold=fold)


def _divided(rows: Ints, labels: Ints, groups: npt.NDArray[Any], h: Hyperparameters) -> tuple[Ints, Ints]:
    """Divide images into those to learn from and those to choose the best epoch by."""
    different = len(np.unique(groups[rows]))
    if different < 2:
        raise SettingsError(
            "Cross-validation needs images of three groups at least, and there are {count}; add images.",
            count=different + 1,
        )
    parts = min(max(round(1 / h.validation_fraction), 2), different)
    part = deal_folds(labels[rows], groups[rows], parts, seed=h.seed)
    return rows[part != 0], rows[part == 0]

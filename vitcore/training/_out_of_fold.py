"""Out-of-fold logits: for each image of the training part, by a head that did not learn from it."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from vitcore.errors import SettingsError, Stopped
from vitcore.training._history import EpochRecord
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._loop import fit_heads
from vitcore.training._parts import fold_parts
from vitcore.vectors import Vectors

__all__ = ["out_of_fold_logits"]


def out_of_fold_logits(
    vectors: Vectors,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[Any] | None,
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    epochs: int,
    folds: int = 5,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
) -> npt.NDArray[np.float32]:
    """Logits of each image by a head that learned from the images of the other folds.

    A head must not be picked by the images that judge it. So each goes through the first `epochs`
    epochs of the given settings, with the learning rates that these have up to there, and is then taken
    as it is; its patience and what it monitors play no part. The validation images of a run may say how
    many epochs that is, for they are not judged here.

    The heads learn from 1 − 1 / folds of the images, so what they say is slightly worse than what a head
    that learned from all would say of new images. A class all of whose images are in one group is not
    known to the head that judges them.

    Args:
        vectors: (N, V, D), V views of each training image, the first being the image itself.
        labels: (N,), class numbers.
        groups: What group each image belongs to, such as near-duplicates, (N,): a group is never
            divided between folds. Each image by itself if None.
        classes: Number of classes C.
        hyperparameters: How to train.
        epochs: How long, up to those of the hyperparameters: the best epoch of a run with them.
        folds: 2 or more; where there are fewer groups, as many as there are.
        seed: Decides the folds; what is random in the training depends on that of the hyperparameters.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        on_epoch: Called after each epoch of each head with its record.
        stop: Looked at before every batch.

    Returns:
        (N, C).

    Raises:
        SettingsError: `epochs` is out of its range, all images are one group, or the loss is not finite
            any more.
        Stopped: `stop` was set before the last head was finished.
    """
    h, stop = hyperparameters, stop or Event()
    if not 1 <= epochs <= h.epochs:
        raise SettingsError(
            "epochs is {epochs}; give 1 to {most}, those of the settings.", epochs=epochs, most=h.epochs
        )
    different = len(labels) if groups is None else len(np.unique(groups))
    parts = fold_parts(labels, groups, max(2, min(folds, different)), seed=seed)
    results = fit_heads(
        vectors,
        labels,
        parts,
        classes=classes,
        hyperparameters=replace(h, patience=0),
        epochs=epochs,
        keep="last",
        device=device,
        on_epoch=on_epoch,
        stop=stop,
    )
    if stop.is_set():
        raise Stopped("The training of heads for judging was stopped.")
    logits = np.empty((len(labels), classes), dtype=np.float32)
    for result, (_, judged) in zip(results, parts, strict=True):
        logits[judged] = result.head.logits(vectors[judged, 0])
    return logits

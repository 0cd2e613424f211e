"""What heads say of images that they did not learn from, for all images of the training part."""

from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vitcore.errors import SettingsError, Stopped
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._learners import new_learner
from vitcore.training._loop import in_stacks
from vitcore.training._search import fold_parts
from vitcore.training._steps import threads_for

__all__ = ["out_of_fold_logits"]


def out_of_fold_logits(
    vectors: npt.NDArray[np.float16],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[Any] | None,
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    epochs: int,
    folds: int = 5,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: Callable[[int], None] | None = None,
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
        on_epoch: Called after each epoch with the number of heads that went through it.
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
        raise SettingsError(f"epochs is {epochs}; give 1 to {h.epochs}, those of the settings.")
    different = len(labels) if groups is None else len(np.unique(groups))
    parts = fold_parts(labels, groups, max(2, min(folds, different)), classes, seed=seed)
    logits = np.empty((len(labels), classes), dtype=np.float32)
    waiting = iter(judged for _, judged in parts)
    for stack in in_stacks(vectors, labels, parts, [h.seed] * len(parts), h, device):
        learner = new_learner(stack, classes=classes, h=h, device=device)
        with torch.no_grad(), threads_for(learner.step_values, device):
            for epoch in range(1, epochs + 1):
                losses = learner.learn(epoch, stop)
                if stop.is_set():
                    raise Stopped("The training of heads for judging was stopped.")
                if losses is None:  # nothing is left to be gained
                    break
                if not np.isfinite(losses).all():
                    raise SettingsError(
                        f"The loss grew beyond all bounds in epoch {epoch}; the learning rate of "
                        f"{h.learning_rate:g} is too high, try {h.learning_rate / 10:g}."
                    )
                if on_epoch is not None:
                    on_epoch(len(stack))
        for number, (part, judged) in enumerate(zip(stack, waiting, strict=False)):
            logits[judged] = learner.network.head(number, part.mean, part.std).logits(vectors[judged, 0])
    return logits

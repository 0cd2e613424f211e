"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from vitcore.errors import SettingsError
from vitcore.evaluation import accuracy, balanced_accuracy, cohen_kappa, confusion_matrix
from vitcore.training._checkpoint import Checkpoint, optimizer_arrays, restore
from vitcore.training._fit_data import FitData, new_fit_data, width_for
from vitcore.training._head import HiddenHead, LinearHead
from vitcore.training._history import EpochRecord
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._inputs import Inputs
from vitcore.training._learners import new_learner
from vitcore.training._network import Network, State
from vitcore.training._steps import threads_for
from vitcore.vectors import Vectors

__all__ = ["FitResult", "fit_head", "fit_heads"]

Ints = npt.NDArray[np.int64]
Outcome = Literal["complete", "stopped"]

_STACKED_BYTES = 3 * 2**26  # of standardised embeddings in memory at once, for heads side by side


@dataclass(frozen=True, eq=False, kw_only=True)
class FitResult:
    """The outcome of a training.

    Attributes:
        head: The head of the best epoch.
        history: One record per finished epoch.
        best_epoch: The epoch that `Hyperparameters.monitor` picked, counted from 1.
        outcome: ``complete``, also when patience ended it or nothing was left to be gained, or
            ``stopped``.
    """

    head: LinearHead | HiddenHead
    history: list[EpochRecord]
    best_epoch: int
    outcome: Outcome


def fit_head(
    training: Vectors,
    training_labels: Ints,
    validation: Vectors,
    validation_labels: Ints,
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
) -> FitResult:
    """Train a head on embeddings.

    Those that are not in memory are read batch by batch, in every epoch, and give the same head.

    Embeddings are standardised by the mean and the standard deviation of the training part. What is
    random in an epoch depends on the seed and the number of the epoch alone, so that a training that
    goes on from a checkpoint ends exactly as one that was never interrupted.

    The best epoch is kept. By default it is the one with the lowest validation loss: unlike accuracy
    it hardly depends on luck with a few images.

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
        checkpoint: Where to go on; from the start if not given. More epochs than it was made for are
            taken with the schedule ``constant`` and with ``lbfgs``, whose steps do not depend on them.
        on_checkpoint: Called after each epoch, after `on_epoch`, with what is needed to go on from there.

    Returns:
        The best head and the history, that of the checkpoint included. Stopped within the first epoch,
        the head is the one of that moment and the history is empty.

    Raises:
        SettingsError: The loss is not finite any more, for the learning rate is too high; or the
            checkpoint was made with other settings or data.
    """
    part = new_fit_data(
        (training, training_labels),
        (validation, validation_labels),
        classes=classes,
        h=hyperparameters,
        seed=hyperparameters.seed,
        device=device,
        width=width_for(training, len(training), classes),
    )
    [result] = _fit(
        [part],
        classes=classes,
        h=hyperparameters,
        device=device,
        on_epoch=on_epoch,
        stop=stop,
        checkpoint=checkpoint,
        on_checkpoint=on_checkpoint,
    )
    return result


def fit_heads(
    vectors: Vectors,
    labels: Ints,
    parts: Sequence[tuple[Ints, Ints]],
    *,
    classes: int,
    hyperparameters: Hyperparameters,
    seeds: Sequence[int] | None = None,
    others: tuple[Vectors, Ints] | None = None,
    epochs: int | Sequence[int] | None = None,
    keep: Literal["best", "last"] = "best",
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
) -> list[FitResult]:
    """Train several heads with the same settings: one per fold, or one per seed.

    Linear heads are trained side by side, in one computation for all, unless they would hold too much
    in memory. Of parts of unequal
    size, an epoch then takes as many images as the smallest has, others each time. Otherwise each
    ends as by `fit_head`, but for rounding. With a hidden layer or ``lbfgs`` this would gain nothing;
    these are trained one after the other.

    Args:
        vectors: (N, V, D), V views of each image, the first being the image itself.
        labels: (N,), class numbers.
        parts: For each head the images to learn from and those to be judged on, as row numbers.
        classes: Number of classes C.
        hyperparameters: How to train.
        seeds: One per head; that of the hyperparameters for all if not given.
        others: Embeddings (M, D) and class numbers (M,) of images to be judged on, which the second
            row numbers of a part then mean; these are among the N if not given.
        epochs: After how many to end, with the learning rates that they have in the whole training, for
            all or one number per head; those of the hyperparameters if not given.
        keep: The head of the best epoch, or that of the last one, which the images that judge it had
            no part in choosing.
        device: Where to compute: ``cpu``, ``cuda`` or ``mps``.
        on_epoch: Called after each epoch of each head with its record.
        stop: Looked at before every batch; set it to end with the best heads so far.

    Returns:
        One result per part. A head that has ended, by patience or by its epochs, waits for the others.

    Raises:
        SettingsError: The loss is not finite any more; the learning rate is too high.
    """
    h = hyperparameters
    seeds = [h.seed] * len(parts) if seeds is None else list(seeds)
    last = epochs if isinstance(epochs, Sequence) else [epochs or h.epochs] * len(parts)
    width = width_for(vectors, max(len(learned) for learned, _ in parts), classes)
    held = sum(vectors.shape[1] * len(learned) + len(judged) for learned, judged in parts)
    in_memory = isinstance(vectors, np.ndarray)
    fits = not in_memory or held * (width or vectors.shape[2]) * 4 <= _STACKED_BYTES
    together = _side_by_side(h) and fits
    plain, truth = (vectors[:, 0], labels) if others is None else others

    def prepared(part: tuple[Ints, Ints], seed: int) -> FitData:
        learned, judged = part
        return new_fit_data(
            (vectors[learned], labels[learned]),
            (plain[judged], truth[judged]),
            classes=classes,
            h=h,
            seed=seed,
            device=device,
            width=width,
        )

    results: list[FitResult] = []
    stacks: Iterator[tuple[list[FitData], Sequence[int]]]
    if together:
        stacks = iter([(_on_all_cores(prepared, parts, seeds), last)])
    else:
        stacks = (([prepared(part, seed)], [end]) for part, seed, end in zip(parts, seeds, last, strict=True))
    for stack, ends in stacks:
        results += _fit(
            stack,
            classes=classes,
            h=h,
            epochs=ends,
            keep=keep,
            device=device,
            on_epoch=on_epoch,
            stop=stop,
        )
    return results


def _on_all_cores(
    prepared: Callable[[tuple[Ints, Ints], int], FitData],
    parts: Sequence[tuple[Ints, Ints]],
    seeds: Sequence[int],
) -> list[FitData]:
    """Prepare several parts at the same time, each with one thread: two do not decompose it sooner."""
    before = torch.get_num_threads()
    try:
        with (
            threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(
                min(before, len(parts)), "vitcore-prepare", torch.set_num_threads, (1,)
            ) as pool,
        ):
            return list(pool.map(prepared, parts, seeds))
    finally:
        torch.set_num_threads(before)  # what threads that begin later have


def _side_by_side(h: Hyperparameters) -> bool:
    """Return whether heads with these settings are trained faster together than one after the other.

    Five linear heads on 480 embeddings of length 2304 take 0.6 of the time, for there are fewer and
    larger operations; with a hidden layer these are large as it is (0.85).
    """
    return h.head == "linear" and h.optimizer != "lbfgs"


class _HeadTraining:
    """The training of one head, of so many epochs: its history, and the head to keep so far."""

    def __init__(
        self,
        number: int,
        part: FitData,
        h: Hyperparameters,
        network: Network,
        *,
        epochs: int,
        keep: Literal["best", "last"],
    ) -> None:
        self.number = number
        self.history: list[EpochRecord] = []
        self._part, self._h, self._network = part, h, network
        self._epochs, self._keep = epochs, keep
        # Made into a head when it is asked for: in whitened axes that takes as long as a step.
        self._kept: State | LinearHead | HiddenHead = network.state(number)
        self._best_epoch = 0

    @property
    def has_ended(self) -> bool:
        """Whether it has had its epochs, or no patience is left."""
        done = len(self.history)
        return done >= self._epochs or (
            bool(self._h.patience) and done - self._best_epoch >= self._h.patience
        )

    def judge(self, classes: int) -> dict[str, float]:
        """Figures on the validation images, as the head is now."""
        logits = _evaluate(self._network, self.number, self._part.x_validation)
        truth = self._part.validation_labels
        confusion = confusion_matrix(truth, logits.argmax(dim=1).cpu().numpy(), classes)
        true_class = torch.from_numpy(truth).to(logits.device)
        summed = torch.nn.functional.cross_entropy(logits, true_class, reduction="sum")
        return {
            "validation_loss": summed.item() / len(truth),
            "accuracy": accuracy(confusion),
            "balanced_accuracy": balanced_accuracy(confusion),
            "cohen_kappa": cohen_kappa(confusion),
        }

    def add(self, record: EpochRecord) -> None:
        """Note an epoch, and the head if it is to be kept so far."""
        self.history.append(record)
        is_best = not self._best_epoch or self._rank(record) < self._rank(self.history[self._best_epoch - 1])
        if is_best:
            self._best_epoch = len(self.history)
        if is_best or self._keep == "last":
            self._kept = self._network.state(self.number)

    def result(self, outcome: Outcome) -> FitResult:
        """Return the outcome; before the end of the first epoch, with the head as it is."""
        if not self.history:
            self._kept = self._network.state(self.number)
        return FitResult(
            head=self._head(), history=self.history, best_epoch=self._best_epoch, outcome=outcome
        )

    def checkpoint(self, data: str, optimizer: torch.optim.Optimizer) -> Checkpoint:
        """All that is needed to go on from here."""
        parameters = self._network.parameters
        return Checkpoint(
            hyperparameters=self._h,
            data=data,
            history=tuple(self.history),
            best_epoch=self._best_epoch,
            best=self._head(),
            parameters={name: p.detach().cpu().numpy().copy() for name, p in parameters.items()},
            optimizer=optimizer_arrays(optimizer),
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Stand where a checkpoint was made."""
        self.history = list(checkpoint.history)
        self._kept, self._best_epoch = checkpoint.best, checkpoint.best_epoch

    def _head(self) -> LinearHead | HiddenHead:
        if isinstance(self._kept, dict):
            self._kept = self._network.head(self._kept, self._part.mean, self._part.std, self._part.axes)
        return self._kept

    def _rank(self, record: EpochRecord) -> tuple[float, float]:
        """Return the key by which epochs are ranked, lower is better; of equals the lower loss."""
        loss = record.validation_loss
        if self._h.monitor == "loss":
            return loss, loss
        figure = getattr(record, self._h.monitor)
        return (math.inf if math.isnan(figure) else -figure), loss


def _fit(
    parts: Sequence[FitData],
    *,
    classes: int,
    h: Hyperparameters,
    device: str,
    epochs: Sequence[int] | None = None,
    keep: Literal["best", "last"] = "best",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    stop: Event | None = None,
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Callable[[Checkpoint], None] | None = None,
) -> list[FitResult]:
    """Train H heads side by side, one per part; checkpoints are for one head only."""
    stop = stop or Event()
    learner = new_learner(parts, classes=classes, h=h, device=device)
    epochs = epochs or [h.epochs] * len(parts)
    trainings = [
        _HeadTraining(number, part, h, learner.network, epochs=end, keep=keep)
        for number, (part, end) in enumerate(zip(parts, epochs, strict=True))
    ]
    data = parts[0].digest() if checkpoint or on_checkpoint else ""
    outcome: Outcome = "complete"
    with torch.no_grad(), threads_for(learner.step_values, device):
        if checkpoint is not None:
            checkpoint.check(h, learner.network, data)
            restore(checkpoint, learner.network, learner.optimizer)
            trainings[0].resume(checkpoint)
        for epoch in range(len(trainings[0].history) + 1, max(epochs) + 1):
            going = [training for training in trainings if not training.has_ended]
            if not going:
                break
            started = time.perf_counter()
            losses = learner.learn(epoch, stop)
            if losses is None:
                outcome = "stopped" if stop.is_set() else "complete"
                break
            for training in going:
                record = EpochRecord(
                    epoch=epoch,
                    training_loss=losses[training.number],
                    **training.judge(classes),
                    learning_rate=learner.rate,
                    seconds=time.perf_counter() - started,
                )
                if not math.isfinite(record.validation_loss) or not math.isfinite(record.training_loss):
                    raise SettingsError(
                        "The loss grew beyond all bounds in epoch {epoch}; the learning rate of "
                        "{learning_rate:g} is too high, try {lower:g}.",
                        epoch=epoch,
                        learning_rate=h.learning_rate,
                        lower=h.learning_rate / 10,
                    )
                training.add(record)
                if on_epoch is not None:
                    on_epoch(record)
            if on_checkpoint is not None:
                on_checkpoint(trainings[0].checkpoint(data, learner.optimizer))
    return [training.result(outcome) for training in trainings]


def _evaluate(network: Network, number: int, x: Inputs) -> torch.Tensor:
    """Logits of one head: (M, D) -> (M, C)."""
    head = slice(number, number + 1)
    return torch.cat([network.logits(part[None], head)[0] for part in x.parts()])

"""Three ways to spend an epoch: many steps on batches, one on all images, or none at all."""

import math
from collections.abc import Sequence
from threading import Event
from typing import Protocol

import numpy as np
import torch

from vitcore.training._fit_data import FitData
from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._network import LinearNetwork, Network, new_network
from vitcore.training._steps import (
    blended,
    epoch_order,
    make_optimizer,
    part_of_rate,
    perturbed,
    slope,
    target_table,
)

__all__ = ["ClosedForm", "FullBatch", "Learner", "MiniBatches", "new_learner"]

# The weights go to where they are drawn by exp(−1) in an epoch at the full learning rate. The steps of an
# epoch share that: the more images there are, the more each of them weighs against it.
_PULL = 1.0


class Learner(Protocol):
    """Networks, and what they learn from.

    Attributes:
        network: H heads.
        optimizer: Of their parameters.
        rate: Learning rate of the last step.
        step_values: Numbers that go into a step.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    rate: float
    step_values: int

    def learn(self, epoch: int, stop: Event) -> list[float] | None:
        """Spend an epoch, counted from 1.

        Returns:
            The training loss of each head: plain cross-entropy in nats, whatever is minimised. None
            if it was stopped, or if nothing is left to be gained.
        """


class MiniBatches:
    """Steps on batches in random order, for H heads side by side, one per part.

    An epoch takes as many images of each part as the smallest has.
    """

    def __init__(self, parts: Sequence[FitData], *, classes: int, h: Hyperparameters, device: str) -> None:
        self._h, self._parts, self._classes, self._device = h, parts, classes, device
        self._dimension = parts[0].x.shape[1]
        sizes = [part.x.shape[0] for part in parts]
        self._length = min(sizes)
        # For each embedding its row in the tables of targets, which are below each other; what belongs to
        # a part begins at its first.
        self._first = torch.from_numpy(np.cumsum([[0], *([size] for size in sizes[:-1])], axis=0)).to(device)
        rows = np.concatenate([part.labels + number * classes for number, part in enumerate(parts)])
        self._y = torch.from_numpy(rows).to(device)
        tables = [target_table(part.labels, classes, h) for part in parts]
        self._aims = torch.cat(tables).to(device)  # (H * C, C), what the objective aims at
        self._truths = torch.eye(classes).repeat(len(parts), 1).to(device)  # (H * C, C), 1 for the true class

        self.network = new_network(h, [part.seed for part in parts], self._dimension, classes, device)
        if isinstance(self.network, LinearNetwork):
            self.network.aim_at([part.aim for part in parts if part.aim is not None])
        self.optimizer = make_optimizer(self.network, h)
        self.rate = 0.0
        self.step_values = len(parts) * h.batch_size * self._dimension

    def learn(self, epoch: int, stop: Event) -> list[float] | None:
        """Go through the images once."""
        h = self._h
        summed = torch.zeros(len(self._parts), device=self._device)  # of the loss; read once per epoch
        batches, randoms = self.batches(epoch)
        for step, chosen in enumerate(batches):
            if stop.is_set():
                return None
            part = part_of_rate(h, (epoch - 1) + step / len(batches))
            self.network.approach(-math.expm1(-_PULL * part / len(batches)))
            summed += self.step(chosen, h.learning_rate * part, randoms)
        losses: list[float] = (summed / self._length).tolist()
        return losses

    def batches(self, epoch: int) -> tuple[Sequence[torch.Tensor], Sequence[np.random.Generator]]:
        """Row numbers of each batch in its parts, (H, B), and per head what draws the rest of the epoch.

        Drawn anew for each epoch, so that one after an interruption is what it would have been.
        """
        randoms = [np.random.default_rng([part.seed, epoch]) for part in self._parts]
        orders = [
            epoch_order(part.labels, self._length, self._h, random)
            for part, random in zip(self._parts, randoms, strict=True)
        ]
        rows = torch.from_numpy(np.stack(orders)).to(self._device)
        return torch.split(rows, self._h.batch_size, dim=1), randoms

    def step(self, chosen: torch.Tensor, rate: float, randoms: Sequence[np.random.Generator]) -> torch.Tensor:
        """Take one step on the rows of a batch, (H, B); the loss of its images before it, summed: (H,)."""
        h = self._h
        self.rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs, aims, truths = self._batch(chosen)
        if h.mixup:
            inputs, aims, truths = blended((inputs, aims, truths), h.mixup, randoms)
        inputs = perturbed(inputs, h, randoms)
        log_p = torch.log_softmax(self.network.logits(inputs), dim=2)
        self.network.backward(inputs, slope(log_p, aims))
        self.optimizer.step()
        return -(log_p * truths).sum(dim=(1, 2))

    def _batch(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Embeddings, what to aim at, and what is true: (H, B) -> (H, B, D), (H, B, C), (H, B, C)."""
        heads, size = chosen.shape
        inputs = torch.empty(heads, size, self._dimension, device=self._device)
        for part, rows, place in zip(self._parts, chosen, inputs, strict=True):
            part.x.take(rows, place)
        y = self._y.index_select(0, (chosen + self._first).flatten())
        return (
            inputs,
            self._aims.index_select(0, y).view(heads, -1, self._classes),
            self._truths.index_select(0, y).view(heads, -1, self._classes),
        )


class ClosedForm:
    """Linear discriminant analysis: its solution is there after one epoch, for H heads side by side."""

    def __init__(self, parts: Sequence[FitData], *, classes: int, h: Hyperparameters, device: str) -> None:
        self._parts = parts
        network = LinearNetwork(len(parts), parts[0].x.shape[1], classes, device)
        network.aim_at([part.aim for part in parts if part.aim is not None])
        self.network: Network = network
        self.optimizer = make_optimizer(network, h)
        self.rate = 1.0  # all the way
        self.step_values = sum(part.x.shape[0] * part.x.shape[1] for part in parts)

    def learn(self, epoch: int, stop: Event) -> list[float] | None:
        """Go to the solution in the first epoch; there is no other."""
        if stop.is_set() or epoch > 1:
            return None
        self.network.approach(1.0)
        return [self._loss(number, part) for number, part in enumerate(self._parts)]

    def _loss(self, number: int, part: FitData) -> float:
        summed, labels = 0.0, torch.from_numpy(part.labels)
        for x, y in zip(part.x.parts(), torch.split(labels, part.x.part_rows), strict=True):
            logits = self.network.logits(x[None], slice(number, number + 1))[0]
            summed += torch.nn.functional.cross_entropy(logits, y.to(x.device), reduction="sum").item()
        return summed / len(labels)


class FullBatch:
    """Logistic regression: an iteration of L-BFGS per epoch, for one linear head.

    What is minimised is the mean cross-entropy plus ``weight_decay / 2 · ‖W‖²``. scikit-learn minimises
    the sum of the cross-entropies times C, plus ``½ ‖W‖²``: the same if C = 1 / (weight_decay · N).
    """

    def __init__(self, part: FitData, *, classes: int, h: Hyperparameters, device: str) -> None:
        self._x = part.x  # (N * V, D)
        self._y = torch.from_numpy(part.labels).to(device)
        self._aims = target_table(part.labels, classes, h).to(device)  # (C, C), what the objective aims at
        self._truths = torch.eye(classes, device=device)
        self._weight_decay = h.weight_decay
        # What the weights of all images add up to, as a number and as `slope` takes it.
        self._aimed, self._whole = torch.zeros((), device=device), torch.zeros(1, 1, 1, device=device)
        for y in torch.split(self._y, self._x.part_rows):
            aims = self._aims[y][None]  # (1, part, C)
            self._aimed += aims.sum()
            self._whole += aims.sum(dim=2, keepdim=True).sum(dim=1, keepdim=True)
        self._at: list[torch.Tensor] = []  # the last point evaluated, with its objective and loss
        self._objective = self._loss = torch.empty(())

        self.network: Network = LinearNetwork(1, part.x.shape[1], classes, device)
        self.optimizer = make_optimizer(self.network, h)
        self.rate = 1.0  # it finds the length of its steps itself
        self.step_values = part.x.shape[0] * part.x.shape[1]

    def learn(self, epoch: int, stop: Event) -> list[float] | None:  # noqa: ARG002 - every epoch is alike
        """Take one iteration."""
        if stop.is_set():
            return None
        before = self._here()
        self.optimizer.step(self._look)  # type: ignore[arg-type]  # a tensor is as good as a number
        if _equal(before, self._here()):
            return None
        self._look()
        return [self._loss.item()]

    @torch.no_grad()  # LBFGS turns gradients on; then they and the parameters would keep each other alive
    def _look(self) -> torch.Tensor:
        """The objective; its gradient goes to the parameters.

        A step begins where the last one ended, so the last point is remembered.
        """
        here = self._here()
        if not _equal(here, self._at):
            aimed, true = self._add_up()
            weight = self.network.parameters["weight"]
            assert weight.grad is not None
            weight.grad += self._weight_decay * weight
            penalty = self._weight_decay / 2 * (weight**2).sum()
            self._objective = penalty - aimed / self._aimed
            self._loss = -true / self._x.shape[0]
            self._at = here
        return self._objective

    def _add_up(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of log-probabilities times aims and times truths; the gradients go to the parameters."""
        parameters = self.network.parameters.values()
        aimed = true = torch.zeros((), device=self._y.device)
        summed: list[torch.Tensor] = []
        for x, y in zip(self._x.parts(), torch.split(self._y, self._x.part_rows), strict=True):
            aims, truths = self._aims[y][None], self._truths[y][None]  # (1, part, C)
            log_p = torch.log_softmax(self.network.logits(x[None]), dim=2)
            self.network.backward(x[None], slope(log_p, aims, self._whole))
            aimed, true = aimed + (log_p * aims).sum(), true + (log_p * truths).sum()
            found = [parameter.grad for parameter in parameters if parameter.grad is not None]
            summed = [a + b for a, b in zip(summed, found, strict=True)] if summed else found
        for parameter, gradient in zip(parameters, summed, strict=True):
            parameter.grad = gradient
        return aimed, true

    def _here(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.network.parameters.values()]


def new_learner(parts: Sequence[FitData], *, classes: int, h: Hyperparameters, device: str) -> Learner:
    """Return the learner for these settings; with ``lbfgs`` for one part only."""
    if h.optimizer == "lda":
        return ClosedForm(parts, classes=classes, h=h, device=device)
    if h.optimizer == "lbfgs":
        [part] = parts
        return FullBatch(part, classes=classes, h=h, device=device)
    return MiniBatches(parts, classes=classes, h=h, device=device)


def _equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

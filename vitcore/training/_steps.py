"""The pieces of a training step: pure functions of the settings and of a batch."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from vitcore.training._hyperparameters import Hyperparameters
from vitcore.training._network import Network
from vitcore.vectors import Vectors, mean_and_deviation

__all__ = [
    "blended",
    "epoch_order",
    "make_optimizer",
    "moments",
    "part_of_rate",
    "perturbed",
    "slope",
    "target_table",
    "threads_for",
]

Randoms = Sequence[np.random.Generator]
Moments = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

MOMENTUM = 0.9
_SMALL_STEP = 2**22  # values in a batch, up to which one thread is faster


def moments(vectors: Vectors) -> Moments:
    """Mean and standard deviation over images and views: (N, V, D) -> (D,), (D,).

    A dimension that never changes gets a deviation of 1.
    """
    mean, std = mean_and_deviation(vectors)
    std[std < 1e-6] = 1.0
    return mean.astype(np.float32), std.astype(np.float32)


def make_optimizer(network: Network, h: Hyperparameters) -> torch.optim.Optimizer:
    """The optimizer; weight decay applies to the weights and not to the biases.

    Fused: a step is one call instead of a dozen. Each call lets go of Python's lock, and a thread that
    draws a page meanwhile may keep it for a while.
    """
    parameters = network.parameters
    if h.optimizer == "lbfgs":  # one iteration a step; its weight decay is part of the objective
        return torch.optim.LBFGS(
            list(parameters.values()), max_iter=1, history_size=20, line_search_fn="strong_wolfe"
        )
    groups = [
        {
            "params": [
                parameter for name, parameter in parameters.items() if name.endswith("weight") == decays
            ],
            "weight_decay": h.weight_decay if decays else 0.0,
        }
        for decays in (True, False)
    ]
    if h.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=h.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True)
    kind = torch.optim.AdamW if h.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=h.learning_rate, fused=True)


def part_of_rate(h: Hyperparameters, epoch: float) -> float:
    """Part of the full learning rate at a point in time, in epochs from 0: 0 … 1."""
    if epoch < h.warmup_epochs:
        return (epoch + 0.1) / (h.warmup_epochs + 0.1)  # not 0 in the very first step
    if h.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (epoch - h.warmup_epochs) / (h.epochs - h.warmup_epochs)))


def target_table(labels: npt.NDArray[np.int64], classes: int, h: Hyperparameters) -> torch.Tensor:
    """Return the target distribution for an image of each class: (C, C), true class first.

    Smoothed, and with balanced weights each column times N / (C · count), the "balanced" weights of
    G. King and L. Zeng, 2001.
    """
    table = np.full((classes, classes), h.label_smoothing / classes)
    table += np.eye(classes) * (1 - h.label_smoothing)
    if h.balance == "weights":
        table *= len(labels) / (classes * np.maximum(np.bincount(labels, minlength=classes), 1))
    return torch.from_numpy(table.astype(np.float32))


def epoch_order(
    labels: npt.NDArray[np.int64], length: int, h: Hyperparameters, random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The images of an epoch in their order: numbers into `labels`, (length,).

    Each at most once; with the sampler as drawn, so that each class that there is comes as often.
    """
    if h.balance == "sampler":
        rarity = 1 / np.bincount(labels)[labels]
        return random.choice(len(labels), length, p=rarity / rarity.sum())
    return random.permutation(len(labels))[:length]


def blended(parts: Sequence[torch.Tensor], alpha: float, randoms: Randoms) -> list[torch.Tensor]:
    """Blends of each row with another of its batch; one share per batch (Zhang et al., 2018).

    Args:
        parts: (H, B, …) each, all to be blended in the same way.
        alpha: Of the Beta distribution.
        randoms: H generators.
    """
    heads, size = parts[0].shape[:2]
    drawn = [(random.beta(alpha, alpha), random.permutation(size)) for random in randoms]
    device = parts[0].device
    share = torch.tensor([share for share, _ in drawn], dtype=torch.float32, device=device).view(heads, 1, 1)
    partner = torch.from_numpy(np.concatenate([n * size + order for n, (_, order) in enumerate(drawn)]))
    partner = partner.to(device)
    return [
        share * part + (1 - share) * part.flatten(0, 1).index_select(0, partner).view_as(part)
        for part in parts
    ]


def perturbed(x: torch.Tensor, h: Hyperparameters, randoms: Randoms) -> torch.Tensor:
    """Features with noise, and some of them dropped, the others scaled up for it: (H, B, D)."""
    shape = x.shape[1:]
    if h.noise:
        noise = np.stack([random.standard_normal(shape, dtype=np.float32) for random in randoms])
        x = torch.add(x, torch.from_numpy(noise).to(x.device), alpha=h.noise)
    if h.dropout:
        kept = np.stack([random.random(shape, dtype=np.float32) >= h.dropout for random in randoms])
        x = (x * torch.from_numpy(kept).to(x.device)).div_(1 - h.dropout)
    return x


def slope(log_p: torch.Tensor, targets: torch.Tensor, whole: torch.Tensor | None = None) -> torch.Tensor:
    """Gradient, with respect to the logits, of the mean cross-entropy of a batch.

    Args:
        log_p: (H, B, C), logarithms of the probabilities.
        targets: (H, B, C); a row adds up to the weight of its image in the mean.
        whole: (H, 1, 1), what the weights add up to of all images of the mean, if these are only a part.
    """
    weight = targets.sum(dim=2, keepdim=True)
    total = weight.sum(dim=1, keepdim=True) if whole is None else whole
    return (log_p.exp() * weight - targets) / total


@contextmanager
def threads_for(values: int, device: str) -> Iterator[None]:
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

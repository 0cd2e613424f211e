"""The part of a head that is learned: H of them, of equal shape, side by side in one computation.

Gradients are written down instead of derived by autograd, which takes several times as long as the
arithmetic itself on networks so small. The first axis of every array is the head.
"""

import math
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vitcore.training._discriminant import Axes
from vitcore.training._head import HiddenHead, LinearHead
from vitcore.training._hyperparameters import Hyperparameters

__all__ = ["HiddenNetwork", "LinearNetwork", "Network", "State", "new_network"]

Floats = npt.NDArray[np.float32]
State = dict[str, torch.Tensor]
_EVERY = slice(None)


class Network(Protocol):
    """H networks of equal shape.

    Attributes:
        parameters: By name, each with H as its first axis; those named ``…weight`` decay.
    """

    parameters: dict[str, torch.Tensor]

    def logits(self, x: torch.Tensor, heads: slice = _EVERY) -> torch.Tensor:
        """One number per class: (H, B, D) -> (H, B, C)."""

    def backward(self, x: torch.Tensor, gradient: torch.Tensor) -> None:
        """Give each parameter its gradient.

        Args:
            x: (H, B, D), what `logits` was called with just before.
            gradient: (H, B, C), of the logits.
        """

    def approach(self, part: float) -> None:
        """Go a part of the way, 0 … 1, to what is aimed at, if anything is."""

    def state(self, number: int) -> State:
        """A copy of what one of them has learned by now."""

    def head(
        self, state: State, mean: Floats, std: Floats, axes: Axes | None = None
    ) -> LinearHead | HiddenHead:
        """What one of them had learned, as a head for embeddings standardised by `mean` and `std`.

        Args:
            state: As `state` gave it.
            mean: (D,).
            std: (D,).
            axes: What the embeddings were turned into after that, if they were.
        """


class LinearNetwork:
    """Linear maps. They start at zero: the problem is convex, so nothing is gained by a random start.

    They may aim at other maps. What is learned is then the difference from these, so that weight decay, too,
    draws towards them instead of towards zero.
    """

    def __init__(self, heads: int, dimension: int, classes: int, device: str) -> None:
        self._aim: tuple[torch.Tensor, torch.Tensor] | None = None
        self.weight = _parameter(torch.zeros(heads, classes, dimension), device)
        self.bias = _parameter(torch.zeros(heads, 1, classes), device)
        self.parameters = {"weight": self.weight, "bias": self.bias}

    def logits(self, x: torch.Tensor, heads: slice = _EVERY) -> torch.Tensor:
        """One number per class: (H, B, D) -> (H, B, C)."""
        weight, bias = self._sum(heads)
        return torch.baddbmm(bias, x, weight.mT)

    @torch.no_grad()
    def aim_at(self, aims: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Aim at a weight (C, D) and a bias (C,) for each head, if any are given; the maps stay at zero."""
        if not aims:
            return
        weights, biases = zip(*aims, strict=True)
        self._aim = torch.stack(weights), torch.stack(biases)[:, None]
        self.weight.copy_(-self._aim[0])
        self.bias.copy_(-self._aim[1])

    @torch.no_grad()
    def approach(self, part: float) -> None:
        """Go a part of the way to what is aimed at."""
        if self._aim is not None:
            self.weight.mul_(1 - part)
            self.bias.mul_(1 - part)

    def _sum(self, heads: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (H, C, D) and biases (H, 1, C), with what is aimed at."""
        if self._aim is None:
            return self.weight[heads], self.bias[heads]
        weight, bias = self._aim
        return self.weight[heads] + weight[heads], self.bias[heads] + bias[heads]

    def backward(self, x: torch.Tensor, gradient: torch.Tensor) -> None:
        """Give each parameter its gradient."""
        self.weight.grad = torch.bmm(gradient.mT, x)  # (H, C, B) · (H, B, D) -> (H, C, D)
        self.bias.grad = gradient.sum(dim=1, keepdim=True)

    def state(self, number: int) -> State:
        """A copy of what one of them has learned by now."""
        weight, bias = self._sum(slice(number, number + 1))
        return {"weight": weight[0].detach().clone(), "bias": bias[0, 0].detach().clone()}

    def head(self, state: State, mean: Floats, std: Floats, axes: Axes | None = None) -> LinearHead:
        """What one of them had learned, as a head."""
        weight, bias = _folded(state["weight"], axes), _array(state["bias"])
        return LinearHead(weight=weight, bias=bias, mean=mean, std=std)


class HiddenNetwork:
    """Two linear maps with a GELU in between.

    The first starts with normal random numbers that keep the variance of its inputs (LeCun et al.,
    "Efficient BackProp", 1998), the second at zero, so that a training starts at guessing.
    """

    def __init__(self, seeds: list[int], dimension: int, units: int, classes: int, device: str) -> None:
        shape, heads = (units, dimension), len(seeds)
        drawn = [np.random.default_rng([seed, 0]).standard_normal(shape, dtype=np.float32) for seed in seeds]
        start = torch.from_numpy(np.stack(drawn)) / math.sqrt(dimension)
        self.hidden_weight = _parameter(start, device)
        self.hidden_bias = _parameter(torch.zeros(heads, 1, units), device)
        self.weight = _parameter(torch.zeros(heads, classes, units), device)
        self.bias = _parameter(torch.zeros(heads, 1, classes), device)
        self.parameters = {
            "hidden_weight": self.hidden_weight,
            "hidden_bias": self.hidden_bias,
            "weight": self.weight,
            "bias": self.bias,
        }
        self._inner = torch.empty(0)  # before the GELU, of the last call of logits

    def logits(self, x: torch.Tensor, heads: slice = _EVERY) -> torch.Tensor:
        """One number per class: (H, B, D) -> (H, B, C)."""
        self._inner = torch.baddbmm(self.hidden_bias[heads], x, self.hidden_weight[heads].mT)  # (H, B, U)
        hidden = nn.functional.gelu(self._inner, approximate="tanh")
        return torch.baddbmm(self.bias[heads], hidden, self.weight[heads].mT)

    def backward(self, x: torch.Tensor, gradient: torch.Tensor) -> None:
        """Give each parameter its gradient."""
        hidden = nn.functional.gelu(self._inner, approximate="tanh")
        self.weight.grad = torch.bmm(gradient.mT, hidden)  # (H, C, B) · (H, B, U) -> (H, C, U)
        self.bias.grad = gradient.sum(dim=1, keepdim=True)
        inner = torch.bmm(gradient, self.weight) * _gelu_slope(self._inner)  # (H, B, U)
        self.hidden_weight.grad = torch.bmm(inner.mT, x)  # (H, U, B) · (H, B, D) -> (H, U, D)
        self.hidden_bias.grad = inner.sum(dim=1, keepdim=True)

    def approach(self, part: float) -> None:
        """Nothing is aimed at."""

    def state(self, number: int) -> State:
        """A copy of what one of them has learned by now."""
        return {name: values[number].detach().clone() for name, values in self.parameters.items()}

    def head(self, state: State, mean: Floats, std: Floats, axes: Axes | None = None) -> HiddenHead:
        """What one of them had learned, as a head."""
        return HiddenHead(
            hidden_weight=_folded(state["hidden_weight"], axes),
            hidden_bias=_array(state["hidden_bias"][0]),
            weight=_array(state["weight"]),
            bias=_array(state["bias"][0]),
            mean=mean,
            std=std,
        )


def new_network(h: Hyperparameters, seeds: list[int], dimension: int, classes: int, device: str) -> Network:
    """One network per seed, as it is before the first step."""
    if h.head == "hidden":
        return HiddenNetwork(seeds, dimension, h.hidden_units, classes, device)
    return LinearNetwork(len(seeds), dimension, classes, device)


def _parameter(start: torch.Tensor, device: str) -> torch.Tensor:
    return start.to(device).requires_grad_()


def _array(values: torch.Tensor) -> Floats:
    array: Floats = values.cpu().numpy()
    return array


def _folded(weight: torch.Tensor, axes: Axes | None) -> Floats:
    """Weights for standardised embeddings: (U, R) -> (U, D)."""
    return _array(weight if axes is None else axes.folded(weight))


def _gelu_slope(x: torch.Tensor) -> torch.Tensor:
    """Derivative of x/2 · (1 + tanh u) with u = √(2/π) · (x + 0.044715 x³)."""
    factor = math.sqrt(2 / math.pi)
    tanh = torch.tanh(factor * (x + 0.044715 * x**3))
    return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * factor * (1 + 3 * 0.044715 * x**2)

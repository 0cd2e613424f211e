"""The trained output layer: from embeddings to one logit per class."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from vitcore.messages import mark, message
from vitcore.records import guard, replacing
from vitcore.vectors import Vectors, slices

__all__ = ["Head", "HiddenHead", "LinearHead", "load_head", "softmax"]

Floats = npt.NDArray[np.float32]

_REMEDY = mark("train again")
# Far beyond what any training gives; within them answers are numbers.
_LARGEST, _SMALLEST_STD = 1e8, 1e-12
_ROWS = 1024  # whose answers are computed at once; 9 MB for embeddings of length 2304, some times over


class Head(Protocol):
    """Replaces the output layer of a backbone.

    The answer for an image does not depend on which other images came with it.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(C, D): number of classes, length of an embedding."""

    def logits(self, embeddings: Vectors) -> Floats:
        """One number per class: (N, D) -> (N, C)."""

    def probabilities(self, embeddings: Vectors) -> npt.NDArray[np.float64]:
        """Probability of each class: (N, D) -> (N, C), rows adding up to 1."""

    def save(self, path: Path) -> None:
        """Write a safetensors file, which `load_head` reads."""


class _Stored:
    """Base of all heads: a dataclass of arrays that is a file of the same tensors."""

    mean: Floats
    std: Floats

    def logits(self, embeddings: Vectors) -> Floats:
        """One number per class: (N, D) -> (N, C), some hundred rows at a time."""
        parts = slices(len(embeddings), _ROWS)
        return np.concatenate([self._answer(self._standard(np.asarray(embeddings[rows]))) for rows in parts])

    def probabilities(self, embeddings: Vectors) -> npt.NDArray[np.float64]:
        """Probability of each class: (N, D) -> (N, C), rows adding up to 1."""
        return softmax(self.logits(embeddings))

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        tensors = {name: np.ascontiguousarray(array) for name, array in vars(self).items()}
        with guard(path), replacing(path) as temporary:
            safetensors.numpy.save_file(tensors, temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            StorageError: Missing, damaged, or not such a head.
        """
        with guard(path, _REMEDY):
            head = cls(**_read(path))
            if not head._fits():
                raise ValueError(message("its shapes do not match"))
            arrays = vars(head).values()
            # Written so that what is no number is out of range as well.
            if not all(array.dtype == np.float32 and (abs(array) <= _LARGEST).all() for array in arrays):
                raise ValueError(message("not all of its numbers are finite and in range"))
            if not (head.std >= _SMALLEST_STD).all():
                raise ValueError(message("a deviation is not above 0"))
        return head

    def _standard(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        standard: Floats = (embeddings.astype(np.float32) - self.mean) / self.std
        return standard

    def _answer(self, standard: Floats) -> Floats:
        """Logits of standardised embeddings: (N, D) -> (N, C)."""
        raise NotImplementedError

    def _fits(self) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearHead(_Stored):
    """A linear map.

    Attributes:
        weight: (C, D), on standardised embeddings.
        bias: (C,).
        mean: (D,), subtracted from an embedding.
        std: (D,), above 0; what remains is divided by it.
    """

    weight: Floats
    bias: Floats
    mean: Floats
    std: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(C, D): number of classes, length of an embedding."""
        return self.weight.shape[0], self.weight.shape[1]

    def _answer(self, standard: Floats) -> Floats:
        return _row_by_row(standard, self.weight) + self.bias

    def _fits(self) -> bool:
        classes, dimension = self.weight.shape
        return self.bias.shape == (classes,) and self.mean.shape == self.std.shape == (dimension,)


@dataclass(frozen=True, eq=False, kw_only=True)
class HiddenHead(_Stored):
    """Two linear maps with a GELU in between.

    Attributes:
        hidden_weight: (U, D), on standardised embeddings.
        hidden_bias: (U,).
        weight: (C, U).
        bias: (C,).
        mean: (D,), subtracted from an embedding.
        std: (D,), above 0; what remains is divided by it.
    """

    hidden_weight: Floats
    hidden_bias: Floats
    weight: Floats
    bias: Floats
    mean: Floats
    std: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(C, D): number of classes, length of an embedding."""
        return self.weight.shape[0], self.hidden_weight.shape[1]

    def _answer(self, standard: Floats) -> Floats:
        hidden = _gelu(_row_by_row(standard, self.hidden_weight) + self.hidden_bias)
        return _row_by_row(hidden, self.weight) + self.bias

    def _fits(self) -> bool:
        (units, dimension), (classes, inner) = self.hidden_weight.shape, self.weight.shape
        return (
            inner == units
            and self.hidden_bias.shape == (units,)
            and self.bias.shape == (classes,)
            and self.mean.shape == self.std.shape == (dimension,)
        )


def load_head(path: Path) -> LinearHead | HiddenHead:
    """Read what the `save` of any head wrote.

    Raises:
        StorageError: Missing, damaged, or not a head.
    """
    return HiddenHead.load(path) if "hidden_weight" in _read(path) else LinearHead.load(path)


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """exp(x) over its sum along the last axis, in double precision: (N, C) -> (N, C)."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _row_by_row(rows: Floats, weight: Floats) -> Floats:
    """Each row times the weights: (N, D), (C, D) -> (N, C).

    einsum adds up each row by itself, so that the answer for an image does not depend on which other
    images came with it, as it does (in the last bit) in a matrix product.
    """
    product: Floats = np.einsum("nd,cd->nc", rows, weight)
    return product


def _gelu(x: Floats) -> Floats:
    """By tanh, as in training (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016)."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    activated: Floats = np.float32(0.5) * x * (1 + np.tanh(inner))
    return activated


def _read(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    with guard(path, _REMEDY):
        return safetensors.numpy.load_file(path)

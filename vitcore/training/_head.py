"""The trained output layer: a linear map from embeddings to one logit per class."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from vitcore.errors import StorageError

__all__ = ["LinearHead", "softmax"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearHead:
    """Replaces the output layer of a backbone.

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

    def logits(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """One number per class: (N, D) -> (N, C)."""
        # einsum adds up each row by itself, so that the answer for an image does not depend on
        # which other images came with it, as it does (in the last bit) in a matrix product.
        standard = (embeddings.astype(np.float32) - self.mean) / self.std
        logits: Floats = np.einsum("nd,cd->nc", standard, self.weight) + self.bias
        return logits

    def probabilities(self, embeddings: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Probability of each class: (N, D) -> (N, C), rows adding up to 1."""
        return softmax(self.logits(embeddings))

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        tensors = {"weight": self.weight, "bias": self.bias, "mean": self.mean, "std": self.std}
        safetensors.numpy.save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            StorageError: Missing, damaged, or not a head.
        """
        try:
            head = cls(**safetensors.numpy.load_file(path))
            classes, dimension = head.weight.shape
        except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
            raise StorageError(f"{path} is not a head ({error}); train again.") from error
        if not (head.bias.shape == (classes,) and head.mean.shape == head.std.shape == (dimension,)):
            raise StorageError(f"{path} is not a head (its shapes do not match); train again.")
        return head


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """exp(x) over its sum along the last axis, in double precision: (N, C) -> (N, C)."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities

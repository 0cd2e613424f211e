"""Standardised embeddings, as a training takes them: from memory, or from where they are stored."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from vitcore.vectors import Vectors, slices

__all__ = ["Inputs", "held_inputs", "inputs_of", "turned_inputs"]

Floats = npt.NDArray[np.float32]

_ROWS = 4096  # of a part; 38 MB for embeddings of length 2304
# A part begins where a cache line does: the last bit of a product of matrices may depend on that.
_ALIGNED = 16


class Inputs(Protocol):
    """Standardised embeddings.

    Attributes:
        shape: (N, D).
        part_rows: How many make a part.
        device: Where they are computed with.
    """

    shape: tuple[int, int]
    part_rows: int
    device: torch.device

    def take(self, numbers: torch.Tensor, out: torch.Tensor) -> None:
        """Put some of them into a place.

        Args:
            numbers: Which, (B,).
            out: (B, D).
        """

    def parts(self) -> Iterator[torch.Tensor]:
        """All in order, some thousand at a time: (part, D) each, valid until the next one is taken."""


class _Held:
    """All in memory, that of the device."""

    def __init__(self, x: torch.Tensor, part_rows: int) -> None:
        self.shape = (x.shape[0], x.shape[1])
        self._x, self.part_rows, self.device = x, part_rows, x.device

    def take(self, numbers: torch.Tensor, out: torch.Tensor) -> None:
        """Put some of them into a place."""
        torch.index_select(self._x, 0, numbers, out=out)

    def parts(self) -> Iterator[torch.Tensor]:
        """All in order."""
        yield from torch.split(self._x, self.part_rows)


class _Streamed:
    """Read and standardised whenever they are needed; the numbers are those that would be held."""

    def __init__(
        self, vectors: Vectors, mean: Floats, std: Floats, device: str, views: int, part_rows: int
    ) -> None:
        self.shape = (len(vectors) * views, vectors.shape[-1])
        self._vectors, self._views, self.part_rows = vectors, views, part_rows
        self._mean, self._std = torch.from_numpy(mean).to(device), torch.from_numpy(std).to(device)
        self.device = self._mean.device

    def take(self, numbers: torch.Tensor, out: torch.Tensor) -> None:
        """Put some of them into a place."""
        rows = numbers.cpu().numpy()
        several = len(self._vectors.shape) == 3
        for part in slices(len(rows), self.part_rows):
            own = rows[part]
            self._put(self._vectors[np.divmod(own, self._views) if several else own], out[part])

    def parts(self) -> Iterator[torch.Tensor]:
        """All in order."""
        room = self._mean.new_empty(min(self.part_rows, self.shape[0]), self.shape[1])
        for images in slices(len(self._vectors), self.part_rows // self._views):
            out = room[: (images.stop - images.start) * self._views]
            self._put(self._vectors[images], out)
            yield out

    def _put(self, chosen: Vectors, out: torch.Tensor) -> None:
        read = np.asarray(chosen).reshape(out.shape)  # (N, V, D) -> (N * V, D)
        out.copy_(torch.from_numpy(read)).sub_(self._mean).div_(self._std)


def held_inputs(x: torch.Tensor, part_rows: int) -> Inputs:
    """Embeddings that are in memory as they are needed: (N, R)."""
    return _Held(x, part_rows)


def turned_inputs(x: Inputs, turn: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
    """Embeddings in other axes, in memory: (N, D) -> (N, R).

    Args:
        x: (N, D).
        turn: Turns some of them, (part, D) -> (part, R).
    """
    start, out = 0, torch.empty(0)
    for part in x.parts():
        found = turn(part)
        if not start:
            out = found.new_empty(x.shape[0], found.shape[1])
        out[start : start + len(found)] = found
        start += len(found)
    return _Held(out, x.part_rows)


def inputs_of(vectors: Vectors, mean: Floats, std: Floats, device: str) -> Inputs:
    """Embeddings less `mean` and divided by `std`: (N, D) or (N, V, D) -> (N · V, D).

    What is in memory is standardised there at once, and what is stored stays where it is.
    """
    views, dimension = (vectors.shape[1] if len(vectors.shape) == 3 else 1), vectors.shape[-1]
    part_rows = max(_ROWS // views // _ALIGNED, 1) * _ALIGNED * views
    if not isinstance(vectors, np.ndarray):
        return _Streamed(vectors, mean, std, device, views, part_rows)
    x = torch.empty(len(vectors) * views, dimension)  # by torch, so that it begins where a cache line does
    exact = x.numpy()
    exact[:] = vectors.reshape(-1, dimension)
    exact -= mean
    exact /= std
    return _Held(x.to(device), part_rows)

"""Embeddings, wherever they are: arrays in memory, or what looks like one and is read when it is needed."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Vectors", "mean_and_deviation", "slices"]

Exact = npt.NDArray[np.float64]

_ROWS = 1024  # in half precision; 9 MB for embeddings of length 4608
_COLUMNS = 512  # of these in double precision at once


class Vectors(Protocol):
    """Embeddings, (N, D) or (N, V, D).

    An index takes rows (and views) out of them, as it does of an array, and `np.asarray` reads what was
    taken. An array in memory is one of these; `vitcore.features.StoredVectors` is another, and stays
    on the disk until then. So whoever takes some rows at a time needs memory for these only.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, key: Any, /) -> Any:
        """Some of them."""

    def __array__(self) -> npt.NDArray[Any]:
        """All of them, in memory."""


def slices(count: int, size: int) -> Iterator[slice]:
    """The numbers from 0 to below `count`, at most `size` at a time; of none, one empty slice."""
    for start in range(0, max(count, 1), size):
        yield slice(start, min(start + size, count))


def mean_and_deviation(vectors: Vectors) -> tuple[Exact, Exact]:
    """Mean and standard deviation over all but the last axis: (N, D) or (N, V, D) -> (D,), (D,).

    Summed in double precision, a part at a time, so that no large copy is made.
    """
    dimension = vectors.shape[-1]
    count = max(int(np.prod(vectors.shape[:-1])), 1)
    views = max(count // max(len(vectors), 1), 1)
    columns = list(slices(dimension, _COLUMNS))
    total, squares = np.zeros(dimension), np.zeros(dimension)
    for rows in slices(len(vectors), max(_ROWS // views, 1)):
        part = np.asarray(vectors[rows]).reshape(-1, dimension)
        for some in columns:
            total[some] += part[:, some].astype(np.float64).sum(axis=0)
    mean = total / count
    for rows in slices(len(vectors), max(_ROWS // views, 1)):
        part = np.asarray(vectors[rows]).reshape(-1, dimension)
        for some in columns:
            squares[some] += ((part[:, some] - mean[some]) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / count)

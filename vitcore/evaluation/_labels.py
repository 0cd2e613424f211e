"""Label audit: the labels that are most likely wrong first."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError
from vitcore.evaluation._neighbours import nearest
from vitcore.vectors import Vectors, mean_and_deviation

__all__ = ["rank_labels"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_NEIGHBOURS = 10


def rank_labels(
    labels: Ints,
    probabilities: Floats,
    vectors: Vectors | None = None,
    groups: npt.NDArray[Any] | None = None,
) -> pd.DataFrame:
    """All images, the most suspect label first.

    Ranked by self-confidence, the probability that heads which did not learn from an image give to its
    label. The labels of its nearest neighbours are shown beside it, and play no part in the rank: with
    1 label in 20 wrong, blending them in moved the share of the wrong ones among the first tenth by no
    more than luck does (600 photos of clothes: 88 % without and with, 61 % by the neighbours alone;
    digits: 100 % each way).

    As many labels are suspects as confident learning counts: images that some class other than the
    given one claims with at least the mean self-confidence of its own images (Northcutt, Jiang and
    Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021). Which ones goes by the
    rank, and none whose label is what the heads say: on clothes that found 9 in 10 of the wrong labels
    where the counted images themselves were 6 in 10. One suspect in three was wrong; the others are as
    hard for the heads. Where the heads are good the count is low: on digits all suspects were wrong, and
    3 in 10 of the wrong labels came right after them.

    Args:
        labels: (N,), class numbers as given.
        probabilities: (N, C), rows adding up to 1, out of fold: a head that learned from a label
            agrees with it.
        vectors: (N, D), embeddings, for the neighbours; compares all with all.
        groups: What group each image belongs to, such as near-duplicates, (N,): what has the label in
            common for that reason is no neighbour.

    Returns:
        One row per image: ``position`` (row number in what was given), ``given`` and ``suggested`` (the
        most probable) class number, ``self_confidence`` (0 … 1), ``knn_agreement`` (share of the 10
        nearest neighbours with the same label, 0 … 1, by cosine of the standardised vectors; NaN without
        vectors or neighbours), ``score`` (1 − self-confidence, what it is ranked by) and ``suspect``.

    Raises:
        InputError: Shapes that do not match.
    """
    images = len(labels)
    if probabilities.ndim != 2 or len(probabilities) != images or not images:
        raise InputError(
            "{images} labels and probabilities of shape {shape} do not match; give at least one image, and a "
            "row for each.",
            images=images,
            shape=str(probabilities.shape),
        )
    suggested = probabilities.argmax(axis=1)
    own = probabilities[np.arange(images), labels]
    order = np.argsort(own, kind="stable")
    suspect = np.zeros(images, dtype=np.bool_)
    suspect[order[: _claimed_by_others(labels, probabilities)]] = True
    agreement = np.full(images, np.nan) if vectors is None else _knn_agreement(labels, vectors, groups)
    table = pd.DataFrame(
        {
            "position": np.arange(images),
            "given": labels,
            "suggested": suggested,
            "self_confidence": own,
            "knn_agreement": agreement,
            "score": 1 - own,
            "suspect": suspect & (suggested != labels),
        }
    )
    return table.iloc[order].reset_index(drop=True)


def _claimed_by_others(labels: Ints, probabilities: Floats) -> int:
    """The sum off the diagonal of the confident joint of Northcutt et al., 2021, eq. 1."""
    count = probabilities.shape[1]
    summed = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=count)
    sizes = np.bincount(labels, minlength=count)
    usual = np.where(
        sizes > 0, summed / np.maximum(sizes, 1), np.inf
    )  # (C,), a class without images claims none
    claims = np.where(probabilities >= usual, probabilities, 0)
    return int(((claims.max(axis=1) > 0) & (claims.argmax(axis=1) != labels)).sum())


class _Standardised:
    """Embeddings that are standardised when they are read: (N, D)."""

    def __init__(self, vectors: Vectors) -> None:
        self.shape = vectors.shape
        self._vectors = vectors
        mean, deviation = mean_and_deviation(vectors)
        self._mean = mean.astype(np.float32)
        self._deviation = np.maximum(deviation, 1e-6).astype(np.float32)

    def __len__(self) -> int:
        return len(self._vectors)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        exact = np.asarray(self._vectors[key]).astype(np.float32)
        return (exact - self._mean) / self._deviation

    def __array__(self) -> npt.NDArray[np.float32]:
        return self[:]


def _knn_agreement(labels: Ints, vectors: Vectors, groups: npt.NDArray[Any] | None) -> Floats:
    """Share of the nearest neighbours with the same label: (N,), (N, D) -> (N,)."""
    if len(vectors) != len(labels):
        raise InputError(
            "{count} labels and {vectors} vectors do not match; give one for each.",
            count=len(labels),
            vectors=len(vectors),
        )
    standard = _Standardised(vectors)
    own = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    _, positions = nearest(standard, standard, _NEIGHBOURS, groups=(own, own))
    found = positions >= 0
    same = (labels[positions] == labels[:, np.newaxis]) & found
    counted = found.sum(axis=1)
    return np.where(counted > 0, same.sum(axis=1) / np.maximum(counted, 1), np.nan)

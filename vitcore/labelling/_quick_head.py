"""A head that learns in a moment, and guesses every labelled photo as if it had no label."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitcore.labelling._space import whitening

__all__ = ["Answers", "answer"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SHRINKAGES = (1.0, 3.0)
_PENALTIES = np.geomspace(0.1, 100, 7)
_SHARPNESS = np.geomspace(0.5, 50, 14)
_BALANCE = 0.5  # between every photo alike, 0, and every class alike, 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """Guesses for all photos of a set, each by what was learned from the labels of the others.

    Attributes:
        probabilities: (N, C), rows adding up to 1. Of a photo with a label: leave-one-out, so that they say
            what the head would have guessed without it.
        points: (N, A), what the head looks at, a constant included.
        penalty: Of its weights; above 0.
    """

    probabilities: Floats
    points: Floats
    penalty: float

    @property
    def guess(self) -> Ints:
        """The most probable class, (N,)."""
        found: Ints = self.probabilities.argmax(axis=1)
        return found

    @property
    def confidence(self) -> Floats:
        """The probability of the guess, (N,)."""
        found: Floats = self.probabilities.max(axis=1)
        return found

    @property
    def margin(self) -> Floats:
        """By how much the guess is more probable than the next class, (N,), 0 … 1."""
        if self.probabilities.shape[1] < 2:
            return np.ones(len(self.probabilities))
        two = np.partition(self.probabilities, -2, axis=1)[:, -2:]
        return np.abs(two[:, 1] - two[:, 0])


def answer(space: npt.NDArray[np.float32], labels: Ints, classes: int) -> Answers:
    """Learn from the labels that there are, and guess all.

    Ridge regression on one column per class: a regularised linear discriminant (T. Hastie, A. Buja and
    R. Tibshirani, "Penalized discriminant analysis", 1995) that takes milliseconds, and whose leave-one-out
    answers are exact without another fit (R. M. Rifkin and R. A. Lippert, "Notes on regularized least
    squares", 2007). They choose the penalty, the shrinkage of the space, and how sharp the probabilities
    are. Photos of rare classes count more, by the root of how rare they are.

    Args:
        space: (N, A), as `principal_axes` or `drawn_to_neighbours` gives it.
        labels: (N,), class numbers; −1 where there is none. At least one photo has a label.
        classes: How many classes there are, C.
    """
    taught = np.flatnonzero(labels >= 0)
    own = labels[taught]
    counts = np.bincount(own, minlength=classes)
    weights = (len(own) / classes / np.maximum(counts, 1))[own] ** _BALANCE
    best: tuple[float, npt.NDArray[np.float32], float, float, Floats, Floats] | None = None
    for scale in whitening(space, _SHRINKAGES):
        for penalty, weight, left_out in _fits(
            _with_constant(space[taught] * scale), np.eye(classes)[own], weights
        ):
            sharpness, loss = _sharpest(left_out, own)
            if best is None or loss < best[0]:
                best = (loss, scale, penalty, sharpness, weight, left_out)
    assert best is not None
    _, scale, penalty, sharpness, weight, left_out = best
    points = _with_constant(space * scale)
    probabilities = _softmax(sharpness * (points @ weight))
    probabilities[taught] = _softmax(sharpness * left_out)
    return Answers(probabilities=probabilities, points=points, penalty=penalty)


def _fits(points: Floats, wanted: Floats, weights: Floats) -> list[tuple[float, Floats, Floats]]:
    """Fit (n, A), (n, C), (n,) with every penalty: that, weights (A, C) and leave-one-out scores (n, C)."""
    weighted = points * weights[:, None]
    values, axes = np.linalg.eigh(weighted.T @ points)
    values = np.maximum(values, 0)
    turned = points @ axes
    target = axes.T @ (weighted.T @ wanted)
    found = []
    for penalty in _PENALTIES:
        weight = axes @ (target / (values + penalty)[:, None])
        leverage = np.minimum(weights * (np.square(turned) / (values + penalty)).sum(axis=1), 1 - 1e-6)
        left_out = (points @ weight - leverage[:, None] * wanted) / (1 - leverage)[:, None]
        found.append((float(penalty), weight, left_out))
    return found


def _sharpest(scores: Floats, truth: Ints) -> tuple[float, float]:
    """Return the factor of scores under which the truth is likeliest, and the loss with it."""
    rows = np.arange(len(truth))
    losses = [
        -float(np.log(np.maximum(_softmax(factor * scores)[rows, truth], 1e-9)).mean())
        for factor in _SHARPNESS
    ]
    best = int(np.argmin(losses))
    return float(_SHARPNESS[best]), losses[best]


def _with_constant(points: npt.NDArray[np.float32]) -> Floats:
    return np.column_stack([points.astype(np.float64), np.ones(len(points))])


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Floats = raised / raised.sum(axis=1, keepdims=True)
    return found

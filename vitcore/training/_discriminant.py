"""Shrinkage linear discriminant analysis: axes in which every class spreads alike, and the linear head there.

The covariance within the classes is pooled, and drawn towards a multiple of the identity as far as
O. Ledoit and M. Wolf ("A well-conditioned estimator for large-dimensional covariance matrices", 2004) find
best, or further where that clearly answers the images better that are left out: with some labels wrong, the
wrong images spread along the very differences between the classes. It is never written down: all it has to
say lies in the span of the embeddings it is estimated from, and follows from their inner products. Their
length hardly counts.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from vitcore.evaluation import fit_temperature, scaled_probabilities
from vitcore.training._inputs import Inputs

__all__ = ["MOST_AXES", "Axes", "Discriminant", "fit_discriminant"]

Floats = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_AXES = 2048
"""Embeddings that are looked at, at most, and with them axes; one of each class is."""

_NEGLIGIBLE = 1e-5  # part of the largest variance, below which an axis is left out
_LEAST_SHRINKAGE = 1e-4
_FAR = (0.7, 0.9)  # shrinkages that do better where labels are wrong: a tenth of them, and it is 2 points
_CLEARLY = 2.0  # standard errors
_LEAST_LIKELY = 1e-12
_UNSEEN = -10.0  # logit of a class without images: far below the others


@dataclass(frozen=True, eq=False, kw_only=True)
class Axes:
    """Axes in which the pooled covariance within the classes is the identity, for embeddings of length D.

    Attributes:
        mix: (R, S); the axes are ``mix @ rows``.
        rows: (S, D), of standardised embeddings: what is left of each beside the mean of its class, then
            the means of the classes.
    """

    mix: torch.Tensor
    rows: torch.Tensor

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        """Return standardised embeddings in these axes: (B, D) -> (B, R)."""
        return x @ self.rows.T @ self.mix.T

    def folded(self, weight: torch.Tensor) -> torch.Tensor:
        """Return weights in these axes as weights for standardised embeddings: (C, R) -> (C, D)."""
        return weight @ self.mix @ self.rows


@dataclass(frozen=True, eq=False, kw_only=True)
class Discriminant:
    """What the analysis finds.

    Attributes:
        axes: R axes; they span all that differs among the embeddings they were estimated from.
        weight: (C, R), of the head in these axes.
        bias: (C,).
        turned: (N, R), the embeddings in the axes, where they were estimated from all of them; else None.
    """

    axes: Axes
    weight: torch.Tensor
    bias: torch.Tensor
    turned: torch.Tensor | None


def fit_discriminant(
    x: Inputs, labels: Ints, classes: int, *, balanced: bool = False, width: int = 0
) -> Discriminant:
    """Find the axes and the head.

    The logits are divided by the temperature that suits them for embeddings that were not learned from:
    each is answered as if it had been left out, which takes no second analysis.

    Args:
        x: (N, D), standardised.
        labels: (N,), class numbers; a class may have one embedding, or none.
        classes: Number of classes C.
        balanced: Whether all classes are to be taken as equally frequent, however many images they have.
        width: Number of axes R at least; those that nothing is found for are 0.
    """
    counts = np.bincount(labels, minlength=classes)
    chosen = _chosen_rows(labels, counts)
    seen = np.bincount(labels[chosen], minlength=classes)
    rows = _gathered(x, labels[chosen], chosen, seen)
    products = (rows @ rows.T).cpu().numpy().astype(np.float64)  # (S, S)
    frequency = np.full(classes, 1 / classes) if balanced else np.maximum(counts, 1) / len(labels)
    prior = np.log(frequency)
    # On so few numbers a second thread costs more than it saves, and on busy cores thirty times as much.
    with threadpool_limits(1, user_api="blas"):
        mix, temperature = _axes(products, seen, labels[chosen], prior, x.shape[1])
        mix = np.pad(mix, ((0, max(width - len(mix), 0)), (0, 0)))
        turned = products @ mix.T  # (S, R), the rows in the new axes
    spread, centres = turned[:-classes], turned[-classes:]
    bias = (prior - 0.5 * (centres**2).sum(axis=1)) / temperature
    bias[counts == 0] = _UNSEEN

    def placed(array: Exact) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(rows.device)

    return Discriminant(
        axes=Axes(mix=placed(mix), rows=rows),
        weight=placed(centres / temperature),
        bias=placed(bias),
        turned=placed(spread + centres[labels]) if len(chosen) == len(labels) else None,
    )


def _gathered(x: Inputs, labels: Ints, chosen: Ints, counts: Ints) -> torch.Tensor:
    """The chosen rows, less the mean of their class, and below them the means: (S, D)."""
    own = torch.from_numpy(labels).to(x.device)
    gathered = torch.empty(len(chosen) + len(counts), x.shape[1], device=x.device)
    rows, means = gathered[: len(chosen)], gathered[len(chosen) :]
    x.take(torch.from_numpy(chosen).to(x.device), rows)
    torch.mm(torch.nn.functional.one_hot(own, len(counts)).T.to(rows), rows, out=means)
    means.div_(torch.from_numpy(np.maximum(counts, 1)).to(rows)[:, None])
    rows.sub_(means.index_select(0, own))
    return gathered


def _axes(products: Exact, counts: Ints, labels: Ints, prior: Exact, dimension: int) -> tuple[Exact, float]:
    """Return the axes as sums of rows, and the temperature of the answers in them.

    Args:
        products: (S, S), inner products of the rows, N centred ones and the means of the classes.
        counts: (C,), images of each class.
        labels: (N,), class numbers of the centred rows.
        prior: (C,), added to the logits.
        dimension: Length of the rows D.

    Returns:
        (R, S), and the temperature.
    """
    classes = len(counts)
    basis, variance = _basis(products, classes, dimension)
    along = products @ basis.T  # (S, R), the rows along axes of length 1
    least, mean_variance = _shrinkage(products[:-classes, :-classes], dimension)

    def trial(shrinkage: float) -> tuple[Exact, float, Exact]:
        """Cross-entropy of each answer without the image itself, their temperature, the scale of the axes."""
        scale = 1 / np.sqrt((1 - shrinkage) * variance + shrinkage * mean_variance)
        spread, centres = along[:-classes] * scale, along[-classes:] * scale
        logits, truth = _left_out(spread, centres, counts, labels, prior, shrinkage)
        if not len(truth):
            return np.zeros(1), 1.0, scale
        temperature = fit_temperature(logits, truth)
        likely = scaled_probabilities(logits, temperature)[np.arange(len(truth)), truth]
        return -np.log(likely + _LEAST_LIKELY), temperature, scale

    usual = trial(least)
    others = [trial(part) for part in _FAR if part > least]
    best = min([usual, *others], key=lambda tried: float(tried[0].mean()))
    _, temperature, scale = best if _clearly_lower(best[0], usual[0]) else usual
    return basis * scale[:, np.newaxis], temperature


def _clearly_lower(losses: Exact, usual: Exact) -> bool:
    """Return whether the mean is lower by more than chance explains: (M,), (M,)."""
    less = usual - losses
    return float(less.mean()) > _CLEARLY * float(less.std()) / math.sqrt(len(less))


def _chosen_rows(labels: Ints, counts: Ints) -> Ints:
    """Rows to look at: all, or of each class the same number, if it has as many.

    Their classes have other means than all rows, which is as it should be: a mean to which others have
    contributed differs from theirs along directions that they do not spread along, and would seem sure.
    """
    if len(labels) <= MOST_AXES:
        return np.arange(len(labels))
    most = next(n for n in range(MOST_AXES, 0, -1) if n == 1 or np.minimum(counts, n).sum() <= MOST_AXES)
    ordered = np.argsort(labels, kind="stable")
    starts = np.cumsum(counts) - counts
    spaced = [
        ordered[start + np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)]
        for start, count in zip(starts, counts, strict=True)
    ]
    return np.sort(np.concatenate(spaced))


def _basis(products: Exact, classes: int, dimension: int) -> tuple[Exact, Exact]:
    """Return axes of length 1 as sums of rows, and the variance within the classes along each.

    Args:
        products: (S, S), inner products of the rows, N centred ones and the means of the classes.
        classes: Number of classes C.
        dimension: Length of the rows D.

    Returns:
        (R, S) and (R,); along the last axes, which are those of the means alone, the variance is 0.
    """
    centred = len(products) - classes
    squares, vectors = np.linalg.eigh(products[:centred, :centred])
    kept = squares > max(_NEGLIGIBLE * squares[-1], 1e-12)
    squares, vectors = squares[kept], vectors[:, kept]
    within = np.zeros((len(squares), len(products)))
    within[:, :centred] = (vectors / np.sqrt(squares)).T
    # What is left of the means of the classes beside these.
    seen = products[centred:] @ within.T  # (C, W)
    left = np.zeros((classes, len(products)))
    left[:, centred:] = np.eye(classes)
    left -= seen @ within
    lengths, vectors = np.linalg.eigh(left @ products @ left.T)
    kept = lengths > _NEGLIGIBLE * max(np.diag(products)[centred:].max(), 1e-12)
    kept[: max(classes - (min(centred, dimension) - len(within)), 0)] = False  # there are no more axes
    across = (vectors[:, kept] / np.sqrt(lengths[kept])).T @ left
    return np.concatenate([within, across]), np.concatenate([squares / centred, np.zeros(len(across))])


def _shrinkage(gram: Exact, dimension: int) -> tuple[float, float]:
    """Part of the identity in the covariance by Ledoit and Wolf, and the mean variance.

    Args:
        gram: (N, N), inner products of the centred rows.
        dimension: Their length D.
    """
    count = len(gram)
    mean = np.trace(gram) / count / dimension
    if mean <= 0:  # one embedding of each class: nothing says how they spread
        return 1.0, 1.0
    squared = (gram**2).sum() / count**2  # of all entries of the covariance, summed
    spread = ((np.diag(gram) ** 2).sum() / count - squared) / (dimension * count)
    distance = squared / dimension - mean**2
    part = spread / distance if distance > 0 else 1.0
    return float(np.clip(part, _LEAST_SHRINKAGE, 1.0)), float(mean)


def _left_out(
    rows: Exact, means: Exact, counts: Ints, labels: Ints, prior: Exact, shrinkage: float
) -> tuple[Exact, Ints]:
    """Logits of each row by the analysis without it, for rows of classes with more: (M, C), (M,).

    Leaving out a row moves the mean of its class and takes one outer product from the covariance, the
    inverse of which follows from a formula of J. Sherman and W. Morrison (1950).

    Args:
        rows: (N, R), in the axes found, less the means of their classes.
        means: (C, R), of the classes, in the same axes.
        counts: (C,), images of each class.
        labels: (N,), class numbers.
        prior: (C,), added to the logits.
        shrinkage: Of the covariance.
    """
    there = counts[labels] > 1
    weight = (1 - shrinkage) / max(len(rows), 1)
    rows, truth = rows[there], labels[there]
    others = counts[truth] - 1.0  # (M,), of the same class
    own = np.arange(len(truth))
    squares = (rows**2).sum(axis=1)  # (M,)
    along = rows @ means.T  # (M, C), centred row · mean
    inner = along + (means @ means.T)[truth]  # row · mean
    whole = squares + along[own, truth]  # row · centred row
    norms = np.tile((means**2).sum(axis=1), (len(truth), 1))  # (M, C)
    # The mean of its class without the row.
    norms[own, truth] += -2 * along[own, truth] / others + squares / others**2
    inner[own, truth] -= whole / others
    along[own, truth] -= squares / others
    # The covariance without it.
    weights = weight * (others + 1) / others
    factor = (weights / np.maximum(1 - weights * squares, 1e-6))[:, None]
    return inner + factor * whole[:, None] * along - 0.5 * (norms + factor * along**2) + prior, truth

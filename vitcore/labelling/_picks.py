"""Which photos to show next: groups that look alike, those that teach most, and some at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PhotoGroup", "group_photos", "pick_at_random", "pick_seeds", "pick_teaching"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Space = npt.NDArray[np.float32]

_PREFILTERED = 8  # times a page: the most doubtful photos, among which those unlike each other are sought
_MANY = 5000  # photos, from which on clusters are found batch by batch


@dataclass(frozen=True, eq=False)
class PhotoGroup:
    """Photos that look alike, the most typical first.

    Attributes:
        positions: Row numbers.
        tightness: How close together they are: the mean cosine to their middle, −1 … 1.
    """

    positions: Ints
    tightness: float


def group_photos(space: Space, rows: Ints, count: int, *, seed: int = 0) -> list[PhotoGroup]:
    """Divide photos into groups that look alike: k-means on the directions of their vectors.

    Args:
        space: (N, A), as `whitened` gives it.
        rows: Which of them, (M,).
        count: How many groups; no more than there are photos.
        seed: The same seed makes the same groups.

    Returns:
        The groups, the tightest first, that hold together best and are named most safely.
    """
    if not len(rows):
        return []
    chosen = _directions(space[rows])
    found, centres = _clusters(chosen, min(count, len(rows)), seed=seed)
    groups = []
    for number in range(len(centres)):
        own = np.flatnonzero(found == number)
        if not len(own):
            continue
        near = chosen[own] @ (centres[number] / max(float(np.linalg.norm(centres[number])), 1e-12))
        order = own[np.argsort(-near, kind="stable")]
        groups.append(PhotoGroup(rows[order], float(near.mean())))
    return sorted(groups, key=lambda group: (len(group.positions) < 2, -group.tightness))


def pick_seeds(space: Space, rows: Ints, count: int, *, seed: int = 0) -> Ints:
    """Pick the most typical photo of each of as many groups: what to label first, when nothing is known.

    G. Hacohen, A. Dekel and D. Weinshall, "Active learning on a budget: opposite strategies suit high and low
    budgets", 2022: with few labels, the typical teach more than the doubtful.
    """
    groups = group_photos(space, rows, count, seed=seed)
    return np.array([group.positions[0] for group in groups], dtype=np.int64)


def pick_teaching(space: Space, rows: Ints, margin: Floats, count: int, *, seed: int = 0) -> Ints:
    """Pick photos that are doubtful and unlike each other.

    Of the most doubtful, by the margin between the two likeliest classes, weighted k-means makes as many
    groups as photos are wanted, and the one closest to the middle of each is taken (F. Zhdanov, "Diverse
    mini-batch active learning", 2019).

    Args:
        space: (N, A), as `whitened` gives it.
        rows: Which photos may be picked, (M,).
        margin: Of all photos, (N,), 0 … 1.
        count: How many; no more than there are.
        seed: The same seed picks the same.

    Returns:
        Row numbers, the most doubtful first.
    """
    if count < 1:
        return rows[:0]
    if len(rows) <= count:
        return rows[np.argsort(margin[rows], kind="stable")]
    doubtful = rows[np.argsort(margin[rows], kind="stable")[: _PREFILTERED * count]]
    points = _directions(space[doubtful])
    weights = 1.0 - margin[doubtful] + 1e-3
    found, centres = _clusters(points, count, weights=weights, seed=seed)
    picked = [
        own[np.argmin(((points[own] - centres[number]) ** 2).sum(axis=1))]
        for number in range(len(centres))
        if len(own := np.flatnonzero(found == number))
    ]
    rest = [place for place in range(len(doubtful)) if place not in set(picked)][: count - len(picked)]
    taken = doubtful[np.array([*picked, *rest], dtype=np.int64)]
    return taken[np.argsort(margin[taken], kind="stable")]


def pick_at_random(rows: Ints, count: int, *, seed: int | Sequence[int]) -> Ints:
    """Pick photos blindly, so that what is found among them holds for all."""
    drawn = np.random.default_rng(seed).permutation(len(rows))[:count]
    return rows[drawn]


def _clusters(points: Space, count: int, *, weights: Floats | None = None, seed: int) -> tuple[Ints, Space]:
    """Return the cluster of each point, and the centres."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(points) > _MANY:
        found = MiniBatchKMeans(count, n_init=3, batch_size=2048, random_state=seed).fit(points)
    else:
        found = KMeans(count, n_init=2, random_state=seed).fit(points, sample_weight=weights)
    return found.labels_.astype(np.int64), found.cluster_centers_


def _directions(vectors: Space) -> Space:
    """Vectors of length 1: (N, A) -> (N, A)."""
    found: Space = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found

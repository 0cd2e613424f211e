"""Which photos to show next: groups that look alike, those that teach most, and some at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitcore.labelling._quick_head import Answers

__all__ = ["PhotoGroup", "group_photos", "pick_at_random", "pick_seeds", "pick_teaching"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Space = npt.NDArray[np.float32]

_COMPARED = 2000  # photos at most, evenly spaced, among which those that teach most are sought
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


def pick_teaching(answers: Answers, labels: Ints, rows: Ints, count: int) -> Ints:
    """Pick photos whose labels would settle most of the doubt about all that have none.

    The head is a ridge regression, so that how uncertain its scores are follows from where the labelled
    photos lie, and by how much one more would lessen that, whatever its class, is known before it is
    labelled (D. A. Cohn, Z. Ghahramani and M. I. Jordan, "Active learning with statistical models", 1996;
    K. Yu, J. Bi and V. Tresp, "Active learning via transductive experimental design", 2006). Here photos
    count by how doubtful their guess is. Each is picked as if those before had their labels already, which
    keeps a page from showing the same thing twice.

    Args:
        answers: The guesses by now.
        labels: (N,), class numbers; −1 where there is none.
        rows: Which photos may be picked, (M,).
        count: How many; no more than there are.

    Returns:
        Row numbers, the one that teaches most first.
    """
    points, taught = answers.points, answers.points[labels >= 0]
    spread = np.linalg.inv(taught.T @ taught + answers.penalty * np.eye(points.shape[1]))  # of the weights
    waiting = points[rows]
    doubt = (waiting * (1 - answers.margin[rows])[:, None]).T @ waiting  # (A, A), where the doubtful lie
    if len(rows) > _COMPARED:
        rows = rows[np.linspace(0, len(rows) - 1, _COMPARED).round().astype(np.int64)]
        waiting = points[rows]
    towards = waiting @ spread
    onto = towards @ doubt
    free = np.ones(len(rows), dtype=np.bool_)
    picked: list[int] = []
    for _ in range(min(count, len(rows))):
        variance = 1 + (towards * waiting).sum(axis=1)
        settled = (onto * towards).sum(axis=1) / variance
        best = int(np.where(free, settled, -1.0).argmax())
        free[best] = False
        picked.append(best)
        share = (waiting @ towards[best]) / variance[best]
        towards, onto = towards - np.outer(share, towards[best]), onto - np.outer(share, onto[best])
    return rows[np.array(picked, dtype=np.int64)]


def pick_at_random(rows: Ints, count: int, *, seed: int | Sequence[int]) -> Ints:
    """Pick photos blindly, so that what is found among them holds for all."""
    drawn = np.random.default_rng(seed).permutation(len(rows))[:count]
    return rows[drawn]


def _clusters(points: Space, count: int, *, seed: int) -> tuple[Ints, Space]:
    """Return the cluster of each point, and the centres."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(points) > _MANY:
        found = MiniBatchKMeans(count, n_init=3, batch_size=2048, random_state=seed).fit(points)
    else:
        found = KMeans(count, n_init=2, random_state=seed).fit(points)
    return found.labels_.astype(np.int64), found.cluster_centers_


def _directions(vectors: Space) -> Space:
    """Vectors of length 1: (N, A) -> (N, A)."""
    found: Space = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found

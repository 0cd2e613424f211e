"""The space in which the photos of a set are compared: whitened by all of them, labelled or not."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vitcore.vectors import Vectors, mean_and_deviation, slices

__all__ = ["drawn_to_neighbours", "principal_axes", "whitened", "whitening"]

Floats = npt.NDArray[np.float32]

_FITTED = 4000  # vectors that the axes are found by
_AXES = 256  # at most
_ROWS = 4096
_NEIGHBOURS = 10
_DRAWN = 0.3  # of the way to the neighbours' mean


def principal_axes(vectors: Vectors, *, seed: int = 0) -> Floats:
    """Turn vectors so that their axes are those along which the set varies, the most important first.

    The covariance needs no labels: all photos of a set take part in it, which a few labelled ones alone
    could never give.

    Args:
        vectors: (N, D).
        seed: Decides which photos the axes are found by, where there are very many.

    Returns:
        (N, A), A being 256 at most.
    """
    from sklearn.decomposition import PCA

    count, dimension = len(vectors), vectors.shape[-1]
    mean, deviation = mean_and_deviation(vectors)
    scale = np.where(deviation > 0, deviation, 1.0)
    fitted = np.sort(np.random.default_rng(seed).permutation(count)[:_FITTED])
    axes = min(_AXES, len(fitted) - 1, dimension)
    if axes < 1 or not deviation.any():
        return np.zeros((count, 1), dtype=np.float32)
    solver = "full" if min(len(fitted), dimension) <= 2 * _AXES else "randomized"
    found = PCA(axes, svd_solver=solver, random_state=seed).fit(
        ((np.asarray(vectors[fitted]) - mean) / scale).astype(np.float32)
    )
    out = np.empty((count, axes), dtype=np.float32)
    for rows in slices(count, _ROWS):
        out[rows] = ((np.asarray(vectors[rows]) - mean) / scale - found.mean_) @ found.components_.T
    return out


def drawn_to_neighbours(space: Floats) -> Floats:
    """Draw every photo some way towards those most like it, so that what is its own alone counts less.

    One step of a graph convolution (F. Wu et al., "Simplifying graph convolutional networks", 2019): the
    photos without a label say which of the directions around a labelled one are noise. With a tenth of the
    photos labelled, guesses are some 2 points better; with all of them nothing is gained or lost. No label
    plays a part, so that guesses with a photo's own label left out stay exact.

    Args:
        space: (N, A), as `principal_axes` gives it.

    Returns:
        (N, A).
    """
    from scipy.sparse import csr_array
    from sklearn.neighbors import NearestNeighbors

    even = whitened(space)
    even /= np.maximum(np.linalg.norm(even, axis=1, keepdims=True), 1e-12)
    count = min(_NEIGHBOURS, len(space) - 1)
    if count < 1:
        return space
    distance, position = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(even).kneighbors()
    alike = np.maximum(1 - np.square(distance) / 2, 0).astype(np.float32)  # the cosine
    links = csr_array(
        (alike.ravel(), position.ravel(), np.arange(0, alike.size + 1, count)), shape=(len(space), len(space))
    )
    links = links + links.T
    total = np.asarray(links.sum(axis=1)).reshape(-1, 1)
    mean = (links @ space) / np.maximum(total, 1e-12)
    found: Floats = np.where(total > 0, (1 - _DRAWN) * space + _DRAWN * mean, space).astype(np.float32)
    return found


def whitened(space: Floats, shrinkage: float = 1.0) -> Floats:
    """Let every axis count alike, up to those along which hardly anything varies.

    Dividing by the deviation alone would let these drown the others, so some of the mean variance is added
    to all (O. Ledoit and M. Wolf, "Honey, I shrunk the sample covariance matrix", 2004).

    Args:
        space: (N, A), as `principal_axes` or `drawn_to_neighbours` gives it.
        shrinkage: How much of the mean variance is added.

    Returns:
        (N, A), of a mean squared length of 1.
    """
    [scale] = whitening(space, (shrinkage,))
    return space * scale


def whitening(space: Floats, shrinkages: Sequence[float]) -> list[Floats]:
    """Return what `whitened` multiplies the axes by, for each shrinkage: (A,)."""
    variance = space.var(axis=0)
    total = float(variance.mean())
    if not total:
        return [np.zeros_like(variance) for _ in shrinkages]
    squares = variance + np.square(space.mean(axis=0))
    found = []
    for shrinkage in shrinkages:
        scale = 1 / np.sqrt(variance + shrinkage * total)
        found.append((scale / np.sqrt((squares * np.square(scale)).sum())).astype(np.float32))
    return found

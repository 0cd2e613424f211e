"""Embeddings as points on a plane."""

import numpy as np
import numpy.typing as npt

from vitcore.vectors import Vectors, slices

__all__ = ["project"]

Floats = npt.NDArray[np.float32]

_FITTED = 5000  # vectors that decide on the axes
_CHUNK = 2048  # rows in single precision at once


def project(vectors: Vectors) -> tuple[Floats, float]:
    """Find a place on a plane for each vector, alike ones side by side: (N, D) -> (N, 2).

    By the first two principal components of the standardised vectors.

    Args:
        vectors: (N, D). Some thousands decide on the axes, and all find their place on them.

    Returns:
        The places, and the share of the variance that they hold, 0 … 1; NaN for less than two vectors.
    """
    from sklearn.decomposition import PCA

    if len(vectors) < 2:  # nothing varies
        return np.zeros((len(vectors), 2), dtype=np.float32), float("nan")
    few = vectors
    if len(few) > _FITTED:
        few = vectors[np.sort(np.random.default_rng(0).choice(len(vectors), _FITTED, replace=False))]
    exact = np.asarray(few).astype(np.float32)
    mean, spread = exact.mean(axis=0), exact.std(axis=0)
    spread[spread == 0] = 1
    exact -= mean
    exact /= spread
    components = min(2, *exact.shape)
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(exact)
    places = np.zeros((len(vectors), 2), dtype=np.float32)
    for part in slices(len(vectors), _CHUNK):
        some = np.asarray(vectors[part]).astype(np.float32)
        places[part, :components] = pca.transform((some - mean) / spread)
    return places, float(pca.explained_variance_ratio_.sum())

"""Embeddings as points on a plane."""

from importlib.util import find_spec
from typing import Literal

import numpy as np
import numpy.typing as npt

from vitcore.vectors import Vectors, slices

__all__ = ["Projection", "project", "projections"]

Projection = Literal["pca", "umap"]
Floats = npt.NDArray[np.float32]

_FITTED = 5000  # vectors that decide on the axes
_CHUNK = 2048  # rows in single precision at once
_WIDE = 50  # dimensions that are left for UMAP


def projections() -> tuple[Projection, ...]:
    """The ways there are here: principal components, and UMAP where the library is installed."""
    return ("pca", "umap") if find_spec("umap") is not None else ("pca",)


def project(vectors: Vectors, way: Projection = "pca") -> tuple[Floats, float]:
    """A place on a plane for each vector, alike ones side by side: (N, D) -> (N, 2).

    By the principal components of the standardised vectors, or by UMAP of the first 50 of them (McInnes,
    Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection", 2018).

    Args:
        vectors: (N, D). Some thousands decide on the axes, and all find their place on them.
        way: One of `projections`.

    Returns:
        The places, and the share of the variance that they hold, 0 … 1; NaN for UMAP, where it says
        nothing, and for less than two vectors.
    """
    if way == "pca":
        return _principal(vectors, 2)
    from umap import UMAP

    places: Floats = UMAP(n_components=2, random_state=0, n_jobs=1).fit_transform(
        _principal(vectors, _WIDE)[0]
    )
    return places, float("nan")


def _principal(vectors: Vectors, dimensions: int) -> tuple[Floats, float]:
    """Principal components, filled up with zeros to two: (N, D) -> (N, at least 2)."""
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
    components = min(dimensions, *exact.shape)
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(exact)
    places = np.zeros((len(vectors), max(components, 2)), dtype=np.float32)
    for part in slices(len(vectors), _CHUNK):
        some = np.asarray(vectors[part]).astype(np.float32)
        places[part, :components] = pca.transform((some - mean) / spread)
    return places, float(pca.explained_variance_ratio_.sum())

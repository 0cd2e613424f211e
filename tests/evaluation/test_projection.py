"""Embeddings as points on a plane."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vitcore.evaluation import _projection, project


@pytest.fixture
def vectors() -> np.ndarray:
    """Of rank three, (300, 20)."""
    random = np.random.default_rng(0)
    made = (random.normal(size=(300, 3)) @ random.normal(size=(3, 20))).astype(np.float16)
    made[:, 7] = 0  # says nothing
    return made


def test_the_axes_are_those_of_a_principal_component_analysis(vectors):
    exact = vectors.astype(np.float32)
    spread = exact.std(axis=0)
    expected = PCA(2).fit_transform((exact - exact.mean(axis=0)) / np.where(spread, spread, 1))
    places, share = project(vectors)
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-2)
    assert 0.5 < share <= 1


def test_some_of_many_vectors_decide_on_the_axes(vectors, monkeypatch):
    places, _ = project(vectors)
    monkeypatch.setattr(_projection, "_FITTED", 200)
    monkeypatch.setattr(_projection, "_CHUNK", 64)
    fewer, _ = project(vectors)
    assert fewer.shape == (300, 2)
    assert abs(np.corrcoef(fewer[:, 0], places[:, 0])[0, 1]) > 0.99


@pytest.mark.parametrize("count", [1, 2])
def test_few_vectors_have_places_too(vectors, count):
    assert project(vectors[:count])[0].shape == (count, 2)

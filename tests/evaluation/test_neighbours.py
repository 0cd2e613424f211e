"""Which embeddings lie close together, and which far from all others."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from vitcore.evaluation import NeighbourIndex, knn_labels, nearest, novelty
from vitcore.evaluation import _neighbours as module


@pytest.fixture
def clouds(monkeypatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries (37, D), references (53, D) and their labels; more than are compared at once."""
    monkeypatch.setattr(module, "_QUERY_ROWS", 10)
    monkeypatch.setattr(module, "_REFERENCE_ROWS", 7)
    random = np.random.default_rng(0)
    centres = random.normal(size=(3, 12))
    labels = random.integers(0, 3, 53)
    references = centres[labels] + random.normal(size=(53, 12))
    queries = centres[random.integers(0, 3, 37)] + random.normal(size=(37, 12))
    return queries.astype(np.float16), references.astype(np.float16), labels


@pytest.mark.parametrize("k", [1, 5, 20, 53])
def test_the_nearest_are_those_of_scikit_learn(clouds, k):
    queries, references, _ = clouds
    expected = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(references)
    distances, positions = expected.kneighbors(queries)
    found = nearest(queries, references, k)
    assert np.allclose(found[0], distances, atol=1e-5)
    assert np.array_equal(found[1], positions)


def test_of_few_references_all_are_found(clouds):
    queries, references, _ = clouds
    distances, positions = nearest(queries, references[:4], 9)
    assert distances.shape == (37, 4)
    assert np.array_equal(np.sort(positions, axis=1), np.tile(np.arange(4), (37, 1)))


def test_an_image_does_not_find_its_own_group(clouds):
    references = clouds[1]
    groups = np.arange(53) // 2
    _, positions = nearest(references, references, 52, groups=(groups, groups))
    for row, found in enumerate(positions):
        others = np.flatnonzero(groups != groups[row])
        assert set(found[: len(others)]) == set(others)
        assert set(found[len(others) :]) <= {-1}


def test_what_may_not_be_found_is_infinitely_far(clouds):
    references = clouds[1][:5]
    groups = np.array([0, 0, 0, 0, 1])
    distances, positions = nearest(references, references, 3, groups=(groups, groups))
    assert positions[0].tolist() == [4, -1, -1]
    assert np.isinf(distances[0]).tolist() == [False, True, True]
    assert np.isfinite(distances[4]).all()


def test_length_does_not_matter_and_the_same_and_the_opposite_are_0_and_2_apart():
    vectors = np.array([[1, 2], [-3, -6], [0, 0], [2, -1]], dtype=np.float16)
    distances, positions = nearest(vectors[:1] * 10, vectors, 4)
    assert distances[0] == pytest.approx([0, 1, 1, 2], abs=1e-6)
    assert (positions[0, 0], positions[0, 3]) == (0, 1)


def test_the_classes_voted_for_are_those_of_scikit_learn(clouds):
    queries, references, labels = clouds
    expected = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distances: np.exp(-distances / 0.07)
    ).fit(references, labels)
    found = knn_labels(queries, references, labels, classes=3)
    assert np.array_equal(found, expected.predict(queries))
    assert len(set(found)) == 3


def test_an_image_does_not_vote_for_itself(clouds):
    _, references, labels = clouds
    assert np.array_equal(knn_labels(references, references, labels, classes=3, k=1), labels)
    rows = np.arange(53)
    found = knn_labels(references, references, labels, classes=3, k=1, groups=(rows, rows))
    assert np.array_equal(found, labels[nearest(references, references, 2)[1][:, 1]])


def test_one_near_vote_outweighs_some_far_ones():
    references = np.array([[1, 0], [1, 1], [1, 1.1]])
    found = knn_labels(np.array([[1, 0.01]]), references, np.array([1, 0, 0]), classes=2, k=3)
    assert found.tolist() == [1]


def test_novelty_is_the_mean_distance_to_the_nearest(clouds):
    queries, references, _ = clouds
    expected = nearest(queries, references, 5)[0].mean(axis=1)
    assert novelty(queries, references) == pytest.approx(expected, abs=1e-6)


def test_novelty_counts_those_there_are():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [-1, 0]])
    groups = np.array([0, 0, 1, 2])
    assert novelty(vectors, vectors, groups=(groups, groups)) == pytest.approx([1.5, 1.5, 1, 5 / 3])
    alone = np.zeros(4)
    assert novelty(vectors, vectors, groups=(alone, alone)).tolist() == [2] * 4
    assert novelty(vectors, vectors[:0]).tolist() == [2] * 4


@pytest.mark.parametrize("many", [10_000, 0])  # as few and as many
def test_one_after_another_finds_what_all_at_once_do(many, monkeypatch):
    monkeypatch.setattr(module, "_MANY", many)
    monkeypatch.setattr(module, "_CANDIDATES", 20)
    random = np.random.default_rng(3)
    references = (random.normal(size=(200, 16)) * random.uniform(0.1, 10, size=(200, 1))).astype(np.float16)
    queries = random.normal(size=(5, 16)).astype(np.float16)
    index = NeighbourIndex(references)
    distances, positions = nearest(queries, references, 4)
    for number, query in enumerate(queries):
        near, found = index.nearest(query, 4)
        assert found.tolist() == positions[number].tolist()
        assert near == pytest.approx(distances[number])

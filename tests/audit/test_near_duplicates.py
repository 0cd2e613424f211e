"""Near-duplicates of a dataset: pairs proposed by vectors, confirmed by pixels, and kept."""

import weakref
from threading import Event

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests._pictures import soft_photo
from tests.audit.conftest import plain_pile, smaller
from vitcore import vectors as cellar
from vitcore.audit import _near_duplicates
from vitcore.audit._likeness import Picture
from vitcore.audit._near_duplicates import find_near_duplicates, similar_pairs
from vitcore.dataset import duplicate_groups
from vitcore.errors import Stopped
from vitcore.features import StoredVectors, _store
from vitcore.progress import Task


def by_brute_force(vectors: np.ndarray, threshold: float) -> dict[tuple[int, int], float]:
    exact = vectors.astype(np.float64)
    exact = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    products = exact @ exact.T
    return {
        (int(a), int(b)): products[a, b]
        for a, b in zip(*np.nonzero(products >= threshold), strict=True)
        if a < b
    }


def some_vectors(count: int, dimension: int = 48, seed: int = 0) -> np.ndarray:
    """Clusters of vectors with different scales and offsets in each dimension."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count // 4, dimension))
    vectors = centres[random.integers(0, len(centres), count)] + 0.5 * random.normal(size=(count, dimension))
    return (vectors * random.uniform(0.1, 5, dimension) + random.normal(0, 5, dimension)).astype(np.float16)


def test_the_pairs_are_those_of_a_comparison_of_all_with_all(monkeypatch):
    vectors = some_vectors(3000)
    expected = by_brute_force(vectors, 0.7)
    assert len(expected) > 1000
    monkeypatch.setattr(_near_duplicates, "_TILE_ROWS", 700)
    pairs, similarities = similar_pairs(vectors, threshold=0.7)
    found = dict(zip(map(tuple, pairs.tolist()), similarities.tolist(), strict=True))
    doubtful = {pair for pair, value in (expected | found).items() if abs(value - 0.7) < 1e-4}
    assert found.keys() - doubtful == expected.keys() - doubtful
    assert all(abs(found[pair] - expected[pair]) < 1e-4 for pair in expected.keys() - doubtful)
    assert (np.diff(pairs[:, 0]) >= 0).all()


def test_only_the_most_similar_partners_are_kept():
    vectors = some_vectors(400)
    pairs, similarities = similar_pairs(vectors, threshold=0.3)
    few, few_similarities = similar_pairs(vectors, threshold=0.3, most=2)
    assert len(few) < len(pairs)
    for row in range(400):
        everything, kept = similarities[pairs[:, 0] == row], few_similarities[few[:, 0] == row]
        assert sorted(kept) == sorted(everything)[-2:]


@pytest.mark.parametrize("most", [None, 1, 3])
@pytest.mark.parametrize("rows", [(37, 10), (64, 64), (400, 7)])
def test_it_does_not_matter_how_many_are_compared_at_a_time(monkeypatch, rows, most):
    vectors = some_vectors(400)
    pairs, similarities = similar_pairs(vectors, threshold=0.3, most=most)
    assert len(pairs) > 300
    monkeypatch.setattr(_near_duplicates, "_TILE_ROWS", rows[0])
    monkeypatch.setattr(_near_duplicates, "_STRIP_ROWS", rows[1])
    tiled, their_similarities = similar_pairs(vectors, threshold=0.3, most=most)
    assert np.array_equal(tiled, pairs)
    assert np.allclose(their_similarities, similarities, atol=1e-5)


def test_vectors_on_the_disk_are_read_a_tile_at_a_time(monkeypatch, tmp_path):
    vectors = some_vectors(400)
    rows = np.random.default_rng(0).permutation(400)
    (tmp_path / "vectors").write_bytes(vectors[np.argsort(rows)].tobytes())
    reads: list[int] = []
    read = _store._read

    def counting(file, wanted, dimension):
        reads.append(len(wanted))
        return read(file, wanted, dimension)

    monkeypatch.setattr(_store, "_read", counting)
    monkeypatch.setattr(cellar, "_ROWS", 64)
    monkeypatch.setattr(_near_duplicates, "_TILE_ROWS", 64)
    found = similar_pairs(StoredVectors(tmp_path / "vectors", rows, 48), threshold=0.3)
    assert max(reads) == 64
    for one, other in zip(found, similar_pairs(vectors, threshold=0.3), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_vectors_are_no_problem(count):
    pairs, similarities = similar_pairs(np.ones((count, 5), dtype=np.float16))
    assert (pairs.shape, similarities.shape) == ((0, 2), (0,))


def test_the_search_can_be_stopped():
    stop = Event()
    stop.set()
    with pytest.raises(Stopped, match="what was embedded is kept"):
        similar_pairs(some_vectors(100), task=Task(stop=stop))


# --- of a dataset ------------------------------------------------------------------------------


def test_a_picture_that_is_not_like_enough_is_another_one(pile):
    images = plain_pile()
    images["a/hazy.png"] = Image.blend(soft_photo(1), soft_photo(200), 0.2)  # likeness 0.97
    images["b/mixed.png"] = Image.blend(soft_photo(102), soft_photo(200), 0.3)  # likeness 0.93
    dataset = pile(images)
    content = dataset.index.set_index("name")["sha256"]
    vectors = np.random.default_rng(0).normal(size=(len(dataset.index), 32)).astype(np.float16)
    row = {name: number for number, name in enumerate(dataset.index["name"])}
    for changed, original in (("a/hazy.png", "a/1.png"), ("b/mixed.png", "b/2.png")):
        vectors[row[changed]] = vectors[row[original]]
    found = find_near_duplicates(dataset, dataset.index, vectors, fingerprint="some")
    assert [set(pair) for pair in found[["first", "second"]].to_numpy()] == [
        {content["a/1.png"], content["a/hazy.png"]}
    ]
    assert (found["likeness"] >= 0.95).all()


def test_near_duplicates_are_found_again_without_comparing(pile, monkeypatch):
    images = plain_pile()
    dataset = pile(images | {"a/small.png": smaller(images["a/1.png"])})
    vectors = np.random.default_rng(0).normal(size=(13, 8)).astype(np.float16)
    vectors[dataset.index["name"] == "a/small.png"] = vectors[dataset.index["name"] == "a/1.png"]
    found = find_near_duplicates(dataset, dataset.index, vectors, fingerprint="some")
    assert len(found) == 1
    monkeypatch.setattr(_near_duplicates, "similar_pairs", None)
    shuffled = dataset.index.sample(frac=1, random_state=0)
    again = find_near_duplicates(dataset, shuffled, vectors[shuffled.index], fingerprint="some")
    pd.testing.assert_frame_equal(again, found)
    groups = duplicate_groups(dataset.index, found)
    assert len(set(groups)) == 12
    with pytest.raises(TypeError):  # for others they are not known
        find_near_duplicates(dataset, dataset.index, vectors, fingerprint="other")


@pytest.mark.thorough
def test_few_pictures_are_in_memory_however_many_are_compared(pile, monkeypatch):
    dataset = pile(plain_pile(12))
    alive: weakref.WeakSet[Picture] = weakref.WeakSet()
    most = 0

    class Watched(Picture):
        def __init__(self, image: Image.Image) -> None:
            nonlocal most
            super().__init__(image)
            alive.add(self)
            most = max(most, len(alive))

    monkeypatch.setattr(_near_duplicates, "Picture", Watched)
    monkeypatch.setattr(_near_duplicates, "_CHUNK", 2)
    monkeypatch.setattr(_near_duplicates, "_AT_HAND", 3)
    monkeypatch.setattr(_near_duplicates, "SAME_PICTURE", 0.0)
    vectors = np.random.default_rng(0).normal(size=(len(dataset.index), 4)).astype(np.float16)
    assert len(find_near_duplicates(dataset, dataset.index, vectors, fingerprint="some")) > 8
    assert most <= 3 + 2 * 2 * 2  # those at hand, and those of two chunks

"""Embeddings that are read batch by batch: the same heads, and little in memory at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitcore import vectors as cellar
from vitcore.training import (
    Checkpoint,
    FitResult,
    Hyperparameters,
    _head,
    _inputs,
    class_curve_points,
    fit_head,
    fit_heads,
    learning_curve_points,
    out_of_fold_logits,
)

DIMENSION, CLASSES, IMAGES, LEARNED = 9, 3, 70, 50
SETTINGS = [
    {},
    {"optimizer": "sgd", "learning_rate": 0.01, "balance": "weights"},
    {"dropout": 0.2, "noise": 0.3, "mixup": 0.1},
    {"balance": "sampler"},
    {"head": "hidden", "hidden_units": 5},
    {"optimizer": "lbfgs", "balance": "weights"},
]


class Stored:
    """An array that notes how many vectors are read of it at once."""

    def __init__(self, array: np.ndarray, reads: list[int]) -> None:
        self.shape, self._array, self.reads = array.shape, array, reads

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: object) -> "Stored":
        return Stored(self._array[key], self.reads)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.reads.append(int(np.prod(self.shape[:-1])))
        return self._array.astype(dtype or np.float16)


@pytest.fixture(params=[1, 3], ids=["plain", "views"])
def images(request) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (70, V, D), with a mean and a scale of their own in each dimension, and labels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, IMAGES)
    centres = random.normal(size=(CLASSES, 1, DIMENSION))
    vectors = centres[labels] + random.normal(size=(IMAGES, request.param, DIMENSION))
    return (vectors * random.uniform(0.1, 5, DIMENSION) + 3).astype(np.float16), labels


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """So that also few images are several parts, of 16 images each."""
    for module in (cellar, _inputs, _head):
        monkeypatch.setattr(module, "_ROWS", 16)


def settings(**changes: object) -> Hyperparameters:
    usual = {} if changes.get("optimizer") == "lbfgs" else {"batch_size": 16, "learning_rate": 0.02}
    return Hyperparameters(**{"epochs": 4, **usual, **changes})


def fit(vectors, labels, h: Hyperparameters, **options) -> FitResult:
    return fit_head(
        vectors[:LEARNED],
        labels[:LEARNED],
        vectors[LEARNED:, 0],
        labels[LEARNED:],
        classes=CLASSES,
        hyperparameters=h,
        **options,
    )


def folds() -> list[tuple[np.ndarray, np.ndarray]]:
    fold = np.random.default_rng(1).permutation(np.arange(IMAGES) % 4)
    return [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in range(4)]


def assert_same(found: FitResult, expected: FitResult) -> None:
    assert (found.outcome, found.best_epoch) == (expected.outcome, expected.best_epoch)
    for record, known in zip(found.history, expected.history, strict=True):
        assert replace(record, seconds=0) == replace(known, seconds=0)
    for name, array in vars(expected.head).items():
        assert np.array_equal(getattr(found.head, name), array), name


@pytest.mark.parametrize("changes", SETTINGS)
def test_a_streamed_training_gives_the_same_head_bit_for_bit(images, changes):
    vectors, labels = images
    reads: list[int] = []
    held = fit(vectors, labels, settings(**changes))
    assert held.history[-1].training_loss < held.history[0].training_loss
    assert_same(fit(Stored(vectors, reads), labels, settings(**changes)), held)
    assert len(reads) > 4 * LEARNED // 16  # in every epoch anew
    assert max(reads) <= 16 * vectors.shape[1]


@pytest.mark.parametrize("changes", SETTINGS)
def test_so_do_several_heads_side_by_side_each_with_its_own_mean(images, changes):
    vectors, labels = images
    reads: list[int] = []
    options = {"classes": CLASSES, "hyperparameters": settings(**changes), "seeds": [3, 1, 4, 1]}
    held = fit_heads(vectors, labels, folds(), **options)
    assert not np.array_equal(held[0].head.mean, held[1].head.mean)
    for found, expected in zip(
        fit_heads(Stored(vectors, reads), labels, folds(), **options), held, strict=True
    ):
        assert_same(found, expected)
    assert max(reads) <= 16 * vectors.shape[1]


@pytest.mark.parametrize("stored", [False, True])
def test_heads_may_be_judged_on_other_images(images, stored):
    vectors, labels = images
    h = settings()
    alone = fit(vectors, labels, h)
    learned, others = vectors[:LEARNED], (vectors[LEARNED:, 0], labels[LEARNED:])
    if stored:
        learned, others = Stored(learned, []), (Stored(others[0], []), others[1])
    part = np.arange(LEARNED), np.arange(IMAGES - LEARNED)
    [found] = fit_heads(learned, labels[:LEARNED], [part], classes=CLASSES, hyperparameters=h, others=others)
    assert_same(found, alone)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "lbfgs"}])
def test_a_checkpoint_fits_whether_the_vectors_are_in_memory_or_not(images, changes, tmp_path: Path):
    vectors, labels = images
    h = settings(**changes)
    whole, reached = fit(vectors, labels, h), []
    fit(vectors, labels, h, on_checkpoint=reached.append)
    reached[1].save(tmp_path / "checkpoint")
    checkpoint = Checkpoint.load(tmp_path / "checkpoint")
    assert_same(fit(Stored(vectors, []), labels, h, checkpoint=checkpoint), whole)


def test_many_parts_of_a_logistic_regression_add_up_to_the_whole(images, monkeypatch):
    parts = fit(*images, settings(optimizer="lbfgs", balance="weights"))
    monkeypatch.setattr(_inputs, "_ROWS", 4096)
    whole = fit(*images, settings(optimizer="lbfgs", balance="weights"))
    assert np.allclose(parts.head.weight, whole.head.weight, atol=1e-4)
    assert parts.history[-1].training_loss == pytest.approx(whole.history[-1].training_loss, abs=1e-5)


@pytest.mark.parametrize("changes", [{}, {"head": "hidden"}])
def test_the_answers_of_a_head_do_not_depend_on_how_many_are_read_at_once(images, changes, monkeypatch):
    vectors, labels = images
    head, reads = fit(vectors, labels, settings(**changes)).head, []
    parts = head.logits(Stored(vectors[:, 0], reads))
    assert reads == [16, 16, 16, 16, 6]
    monkeypatch.setattr(_head, "_ROWS", 1000)
    assert np.array_equal(head.logits(vectors[:, 0]), parts)
    assert head.logits(vectors[:0, 0]).shape == (0, CLASSES)
    assert head.probabilities(Stored(vectors[:0, 0], [])).shape == (0, CLASSES)


def test_mean_and_deviation_are_those_of_all(images):
    vectors = images[0]
    reads: list[int] = []
    mean, deviation = cellar.mean_and_deviation(Stored(vectors, reads))
    assert max(reads) <= 16
    exact = vectors.astype(np.float64).reshape(-1, DIMENSION)
    assert np.allclose(mean, exact.mean(axis=0), rtol=1e-12)
    assert np.allclose(deviation, exact.std(axis=0), rtol=1e-12)


def test_all_that_looks_for_something_takes_stored_vectors(images):
    vectors, labels = images
    reads: list[int] = []
    stored = Stored(vectors, reads)
    h = settings(epochs=2)
    options = {"classes": CLASSES, "hyperparameters": h}
    found = [
        [
            out_of_fold_logits(some, labels, None, epochs=2, **options),
            learning_curve_points(some, labels, sizes=2, folds=3, **options).to_numpy(),
            class_curve_points(some, labels, of=[1], sizes=2, folds=3, **options).to_numpy(),
        ]
        for some in (vectors, stored)
    ]
    for held, streamed in zip(*found, strict=True):
        assert np.array_equal(held, streamed, equal_nan=True)
    assert max(reads) <= 32 * vectors.shape[1]  # of a batch, or of a part

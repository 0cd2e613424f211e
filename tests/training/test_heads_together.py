"""Several heads trained side by side, one per fold or one per seed."""

import threading

import numpy as np
import pytest

from vitcore.errors import SettingsError
from vitcore.training import FitResult, Hyperparameters, fit_head, fit_heads
from vitcore.training import _loop as loop

DIMENSION, CLASSES = 9, 3
SETTINGS = [
    {},
    {"optimizer": "sgd", "learning_rate": 0.01, "warmup_epochs": 1},
    {"dropout": 0.2, "noise": 0.3, "mixup": 0.4},
    {"balance": "sampler"},
    {"balance": "weights", "monitor": "accuracy"},
    {"patience": 1, "learning_rate": 0.3},
    {"head": "hidden", "hidden_units": 5},
    {"optimizer": "lbfgs"},
]


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    """Vectors (72, 2, D) and labels."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(CLASSES), 24)
    centres = random.normal(size=(CLASSES, 1, DIMENSION))
    vectors = centres[labels] + random.normal(size=(72, 2, DIMENSION))
    return vectors.astype(np.float16), labels


def folds(sizes: tuple[int, ...] = (18, 18, 18, 18)) -> list[tuple[np.ndarray, np.ndarray]]:
    fold = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    return [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in range(len(sizes))]


def settings(**changes: object) -> Hyperparameters:
    usual = {} if changes.get("optimizer") == "lbfgs" else {"batch_size": 16}
    return Hyperparameters(**{"epochs": 5, **usual, **changes})


def one_by_one(images, parts, h: Hyperparameters) -> list[FitResult]:
    vectors, labels = images
    return [
        fit_head(
            vectors[learned],
            labels[learned],
            vectors[judged, 0],
            labels[judged],
            classes=CLASSES,
            hyperparameters=h,
        )
        for learned, judged in parts
    ]


@pytest.mark.parametrize("changes", SETTINGS)
def test_together_they_end_as_one_by_one(images, changes):
    h = settings(**changes)
    together = fit_heads(*images, folds(), classes=CLASSES, hyperparameters=h)
    for found, alone in zip(together, one_by_one(images, folds(), h), strict=True):
        assert (found.outcome, found.best_epoch) == ("complete", alone.best_epoch)
        assert len(found.history) == len(alone.history)
        for record, expected in zip(found.history, alone.history, strict=True):
            for name in vars(record).keys() - {"seconds"}:
                assert getattr(record, name) == pytest.approx(getattr(expected, name), abs=1e-5)
        for name, array in vars(alone.head).items():
            assert np.allclose(getattr(found.head, name), array, atol=1e-4)


def test_what_would_take_too_much_memory_is_trained_one_by_one(images, monkeypatch):
    h = settings()
    monkeypatch.setattr(loop, "_STACKED_BYTES", 1000)
    apart = fit_heads(*images, folds(), classes=CLASSES, hyperparameters=h)
    for found, alone in zip(apart, one_by_one(images, folds(), h), strict=True):
        assert np.array_equal(found.head.weight, alone.head.weight)


def test_each_head_has_its_own_seed(images):
    vectors, labels = images
    part = folds()[0]
    first, second, third = fit_heads(
        vectors, labels, [part] * 3, classes=CLASSES, hyperparameters=settings(seed=9), seeds=[4, 5, 4]
    )
    assert np.allclose(first.head.weight, third.head.weight, atol=1e-6)
    assert not np.allclose(first.head.weight, second.head.weight, atol=1e-4)
    [alone] = one_by_one(images, [part], settings(seed=5))
    assert np.allclose(second.head.weight, alone.head.weight, atol=1e-4)


def test_folds_of_unequal_size_are_learned_too(images):
    results = fit_heads(*images, folds((17, 18, 18, 19)), classes=CLASSES, hyperparameters=settings())
    assert [len(result.history) for result in results] == [5] * 4
    assert min(result.history[-1].accuracy for result in results) > 0.5


def test_a_head_that_patience_ended_waits_for_the_others(images):
    h = settings(patience=1, learning_rate=0.3, epochs=20)
    results = fit_heads(*images, folds(), classes=CLASSES, hyperparameters=h)
    lengths = [len(result.history) for result in results]
    assert len(set(lengths)) > 1
    assert lengths == [result.best_epoch + 1 for result in results]


@pytest.mark.parametrize("changes", [{}, {"optimizer": "lbfgs"}, {"head": "hidden"}])
def test_stopped_at_once_they_know_nothing(images, changes):
    stop = threading.Event()
    stop.set()
    results = fit_heads(*images, folds(), classes=CLASSES, hyperparameters=settings(**changes), stop=stop)
    assert [(result.outcome, result.best_epoch) for result in results] == [("stopped", 0)] * 4


def test_a_loss_beyond_all_bounds_is_told(images):
    h = settings(optimizer="sgd", learning_rate=10, weight_decay=10, schedule="constant", epochs=200)
    with pytest.raises(SettingsError, match="the learning rate of 10 is too high"):
        fit_heads(*images, folds(), classes=CLASSES, hyperparameters=h)

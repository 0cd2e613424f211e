"""Cross-validation of the whole recipe, and the head that learns from all images."""

from threading import Event

import numpy as np
import pytest

from vitcore.errors import SettingsError, Stopped
from vitcore.training import (
    Hyperparameters,
    cross_validate,
    finish_head,
    fit_head,
    fit_heads,
    remaining_errors,
    usual_folds,
)

H = Hyperparameters(epochs=6, learning_rate=1e-2)


@pytest.fixture
def images():
    """Vectors (30, 2, 8) of three classes in two views, and class numbers."""
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    centre = 2 * np.eye(8)[labels][:, np.newaxis]
    return (centre + random.normal(size=(30, 2, 8))).astype(np.float32), labels


@pytest.mark.parametrize(
    ("images", "classes", "folds"),
    [(40, 2, 20), (40, 4, 10), (40, 10, 4), (600, 10, 10), (1200, 10, 5), (9999, 10, 5), (10_001, 10, 3)],
)
def test_few_images_are_dealt_to_many_folds_but_leave_the_classes_in_balance(images, classes, folds):
    assert usual_folds(np.arange(images) % classes, np.arange(images)) == folds


def test_folds_are_counted_by_groups():
    labels = np.repeat([0, 1], 30)
    assert usual_folds(labels, np.arange(60) // 5) == 6
    assert usual_folds(labels, np.arange(60) // 30) == 0
    assert usual_folds(np.array([0, 0, 1]), np.arange(3)) == 3


@pytest.mark.parametrize("options", [{}, {"optimizer": "lbfgs"}, {"head": "hidden"}], ids=str)
def test_a_fold_is_answered_by_what_learns_from_all_others_in_all_epochs(images, options):
    vectors, labels = images
    settings = {"epochs": 6, "learning_rate": 1e-2, **options}
    if options.get("optimizer") == "lbfgs":
        del settings["learning_rate"]
    h = Hyperparameters(**settings)
    fold = np.arange(30) // 3 % 5
    found = cross_validate(vectors, labels, np.arange(30), fold, classes=3, hyperparameters=h)
    assert found.logits.shape == (30, 3)
    rest, own = np.flatnonzero(fold != 2), np.flatnonzero(fold == 2)
    [alone] = fit_heads(vectors, labels, [(rest, own)], classes=3, hyperparameters=h, keep="last")
    assert np.allclose(found.logits[own], alone.head.logits(vectors[own, 0]), atol=1e-4)
    assert (found.logits.argmax(axis=1) == labels).mean() > 0.6


def test_it_can_be_stopped(images):
    stop = Event()
    with pytest.raises(Stopped):
        cross_validate(
            *images,
            np.arange(30),
            np.arange(30) % 3,
            classes=3,
            hyperparameters=H,
            stop=stop,
            on_epoch=lambda _: stop.set(),
        )


def test_what_leaves_nothing_to_choose_by_is_refused(images):
    h = Hyperparameters(epochs=6, patience=2)
    fold = np.repeat([0, 1], 15)
    with pytest.raises(SettingsError, match="three groups at least, and there are 2"):
        cross_validate(*images, fold, fold, classes=3, hyperparameters=h)


@pytest.mark.parametrize("patience", [0, 2])
def test_the_finished_head_learns_from_all_and_as_long_as_patience_allows(images, patience):
    vectors, labels = images
    h = Hyperparameters(epochs=30, learning_rate=0.1, schedule="constant", patience=patience)
    learned, validation = np.arange(6, 30), np.arange(6)
    best = fit_head(
        vectors[learned],
        labels[learned],
        vectors[validation, 0],
        labels[validation],
        classes=3,
        hyperparameters=h,
    )
    found = finish_head(vectors, labels, validation, best, classes=3, hyperparameters=h)
    assert len(found.history) == (best.best_epoch if patience else 30)
    assert np.allclose(found.head.mean, vectors.mean(axis=(0, 1)), atol=1e-5)  # of all images
    assert not np.allclose(found.head.weight, best.head.weight)


def test_the_more_of_its_class_a_fold_leaves_the_more_errors_remain():
    labels, groups = np.repeat([0, 1], 20), np.arange(40)
    fewer, more = (remaining_errors(labels, groups, groups % folds) for folds in (4, 10))
    assert fewer == pytest.approx(0.75**0.5)
    assert more == pytest.approx(0.9**0.5)
    in_pairs = remaining_errors(labels, groups // 2, groups // 2 % 10)
    assert in_pairs == pytest.approx(0.9**0.5)

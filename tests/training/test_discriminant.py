"""Linear discriminant analysis: against scikit-learn, and against leaving out one image after the other."""

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from vitcore.training import _discriminant as discriminant
from vitcore.training._discriminant import Axes, Discriminant, fit_discriminant
from vitcore.training._inputs import inputs_of

CLASSES = 4


def images(count: int = 60, dimension: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Standardised vectors (N, D), some dimensions with more to say than others, and labels (N,)."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.arange(count) % CLASSES)
    labels[:6] = 0  # not all classes as often
    scale = np.linspace(0.3, 3, dimension)
    x = random.normal(size=(count, dimension)) * scale + random.normal(size=(CLASSES, dimension))[labels]
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32), labels


def analysed(x: np.ndarray, labels: np.ndarray, **options: object) -> Discriminant:
    zeros, ones = np.zeros(x.shape[1], np.float32), np.ones(x.shape[1], np.float32)
    return fit_discriminant(inputs_of(x, zeros, ones, "cpu"), labels, CLASSES, **options)


def logits(found: Discriminant, x: np.ndarray) -> np.ndarray:
    turned = found.axes.turned(torch.from_numpy(x))
    answers = (turned @ found.weight.T + found.bias).numpy().astype(np.float64)
    return answers - answers.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("dimension", [12, 100])
def test_the_head_is_that_of_scikit_learn_but_for_the_temperature(dimension):
    x, labels = images(dimension=dimension)
    means = np.stack([x[labels == c].mean(axis=0) for c in range(CLASSES)])
    covariance, _ = ledoit_wolf(x - means[labels], assume_centered=True)
    weight = np.linalg.solve(covariance, means.T).T
    bias = np.log(np.bincount(labels) / len(labels)) - 0.5 * (weight * means).sum(axis=1)
    expected = x @ weight.T + bias
    expected -= expected.mean(axis=1, keepdims=True)
    found = logits(analysed(x, labels), x)
    temperature = np.linalg.norm(expected) / np.linalg.norm(found)
    assert np.allclose(found * temperature, expected, atol=2e-3 * abs(expected).max())


def test_without_shrinkage_too(monkeypatch):
    x, labels = images(count=400, dimension=8)
    monkeypatch.setattr(discriminant, "_shrinkage", lambda *_: (1e-9, 1.0))
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(x, labels).predict(x)
    assert (logits(analysed(x, labels), x).argmax(axis=1) == expected).all()


@pytest.mark.parametrize("dimension", [12, 100])
def test_in_the_axes_the_covariance_within_the_classes_is_the_identity(dimension):
    x, labels = images(dimension=dimension)
    axes = analysed(x, labels).axes
    means = np.stack([x[labels == c].mean(axis=0) for c in range(CLASSES)])
    covariance, _ = ledoit_wolf(x - means[labels], assume_centered=True)
    directions = (axes.mix @ axes.rows).numpy()
    assert len(directions) <= min(len(x), dimension)
    assert np.allclose(directions @ covariance @ directions.T, np.eye(len(directions)), atol=2e-3)


def test_weights_fold_back_to_the_embeddings():
    x, labels = images()
    found = analysed(x, labels, width=70)
    assert found.weight.shape == (CLASSES, 70)
    turned = found.axes.turned(torch.from_numpy(x)) @ found.weight.T
    folded = torch.from_numpy(x) @ found.axes.folded(found.weight).T
    assert torch.allclose(turned, folded, atol=1e-4)


def test_an_image_is_answered_as_if_it_had_been_left_out():
    x, labels = images()
    counts, prior = np.bincount(labels), np.log(np.bincount(labels) / len(labels))
    means = np.stack([x[labels == c].mean(axis=0) for c in range(CLASSES)]).astype(np.float64)
    centred = x - means[labels]
    covariance, part = ledoit_wolf(centred, assume_centered=True)
    floor = part * np.trace(centred.T @ centred) / len(x) / x.shape[1]
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    found, truth = discriminant._left_out(centred @ root, means @ root, counts, labels, prior, part)
    assert (truth == labels).all()
    for left in range(0, len(x), 7):
        kept = np.arange(len(x)) != left
        own = np.stack([x[kept][labels[kept] == c].mean(axis=0) for c in range(CLASSES)])
        rest = x[kept] - own[labels[kept]]
        inverse = np.linalg.inv((1 - part) * rest.T @ rest / len(x) + floor * np.eye(x.shape[1]))
        expected = x[left] @ inverse @ own.T - 0.5 * ((own @ inverse) * own).sum(axis=1) + prior
        assert np.allclose(found[left], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("alone", [1, CLASSES])
def test_classes_of_one_image_do_no_harm(alone):
    x, labels = images()
    chosen = [np.flatnonzero(labels == c)[: 1 if c < alone else None] for c in range(CLASSES)]
    rows = np.concatenate(chosen)
    found = logits(analysed(x[rows], labels[rows]), x[rows])
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == labels[rows]).mean() > 0.9


def test_a_class_without_images_is_never_the_answer():
    x, labels = images()
    there = labels != 2
    assert 2 not in logits(analysed(x[there], labels[there]), x).argmax(axis=1)


def test_balanced_all_classes_are_taken_as_equally_frequent():
    x, labels = images()
    plain, balanced = analysed(x, labels), analysed(x, labels, balanced=True)
    rare = np.bincount(labels).argmin()
    shift = (balanced.bias - plain.bias).numpy()
    assert shift.argmax() == rare


def test_of_many_images_some_of_each_class_are_taken(monkeypatch):
    monkeypatch.setattr(discriminant, "MOST_AXES", 40)
    x, labels = images(count=400, dimension=60)
    found = analysed(x, labels)
    assert isinstance(found.axes, Axes)
    assert len(found.axes.mix) <= 40
    assert (logits(found, x).argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((380, 15, 5), (20, 15, 5)), ((14, 13, 13), (14, 13, 13)), ((400, 0, 1), (39, 0, 1))],
)
def test_of_rare_classes_all_images_are_taken(monkeypatch, counts, expected):
    monkeypatch.setattr(discriminant, "MOST_AXES", 40)
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    chosen = discriminant._chosen_rows(labels, np.array(counts))
    assert len(set(chosen)) == len(chosen)
    assert tuple(np.bincount(labels[chosen], minlength=3)) == expected


def test_with_more_classes_than_images_are_looked_at_each_has_one(monkeypatch):
    monkeypatch.setattr(discriminant, "MOST_AXES", 40)
    labels = np.repeat(np.arange(50), 3)
    assert (labels[discriminant._chosen_rows(labels, np.full(50, 3))] == np.arange(50)).all()


def test_with_wrong_labels_it_is_shrunk_further_and_recognises_more(monkeypatch):
    x, labels = images(count=700, dimension=200)
    learned, others = np.arange(300), np.arange(300, 700)
    random = np.random.default_rng(1)
    told = np.where(random.random(300) < 0.3, random.integers(0, CLASSES, 300), labels[learned])
    shares = {}
    for name, tried in (("as Ledoit and Wolf find", ()), ("further", discriminant._FAR)):
        monkeypatch.setattr(discriminant, "_FAR", tried)
        answers = logits(analysed(x[learned], told), x[others]).argmax(axis=1)
        shares[name] = (answers == labels[others]).mean()
    assert shares["further"] > shares["as Ledoit and Wolf find"] + 0.02

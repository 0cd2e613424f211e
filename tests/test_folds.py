"""Folds: stratified, seeded, and never through a group."""

import time

import numpy as np
import pytest

from vitcore import folds as module
from vitcore.folds import deal_folds


def shares(labels, fold, folds):
    """How many images of each class each fold has: (folds, C)."""
    return np.array(
        [np.bincount(labels[fold == number], minlength=labels.max() + 1) for number in range(folds)]
    )


def some_images(count: int, classes: int = 3, seed: int = 0):
    """Labels, and groups of which one image in three has one that is not its own."""
    random = np.random.default_rng(seed)
    groups = np.arange(count)
    groups[: count // 3] = random.integers(0, count // 9 + 1, count // 3)
    return random.integers(0, classes, groups.max() + 1)[groups], groups


@pytest.mark.parametrize("most_alone", [500, 30])
def test_a_group_is_in_one_fold_and_classes_are_spread_evenly(monkeypatch, most_alone):
    monkeypatch.setattr(module, "_MOST_ALONE", most_alone)
    labels, groups = some_images(600)
    fold = deal_folds(labels, groups, 5, seed=0)
    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
    counts = shares(labels, fold, 5)
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 6


def test_a_heavy_group_is_evened_out_by_the_others(monkeypatch):
    monkeypatch.setattr(module, "_MOST_ALONE", 200)
    labels = np.zeros(1000, dtype=np.int64)
    labels[500:] = 1
    groups = np.arange(1000)
    groups[:20] = 0
    counts = shares(labels, deal_folds(labels, groups, 5, seed=0), 5)
    assert counts.min() >= 95
    assert counts.max() <= 105


def test_the_seed_decides():
    labels, groups = some_images(200)
    first, same, other = (deal_folds(labels, groups, 4, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("sizes", [(12, 3, 1), (4, 4, 4), (1, 1, 1, 1, 1), (3, 2)])
def test_classes_smaller_than_the_number_of_folds_are_dealt_too(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    fold = deal_folds(labels, np.arange(len(labels)), 5, seed=0)
    assert set(fold) == set(range(5))
    assert np.bincount(fold).max() - np.bincount(fold).min() <= 1 + len(sizes)


def test_as_many_groups_as_folds_are_a_fold_each():
    groups = np.repeat(np.arange(5), [1, 7, 3, 2, 40])
    fold = deal_folds(groups % 2, groups, 5, seed=3)
    assert len(set(zip(groups, fold, strict=True))) == len(set(fold)) == 5


def test_many_images_are_dealt_at_once():
    labels = np.random.default_rng(0).integers(0, 10, 20_000)
    started = time.process_time()
    counts = shares(labels, deal_folds(labels, np.arange(20_000), 5, seed=0), 5)
    assert time.process_time() - started < 4
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 2

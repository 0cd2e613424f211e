"""The parts of a cross-validation."""

import numpy as np

from vitcore.training._parts import fold_parts


def test_a_group_is_never_divided_between_folds():
    random = np.random.default_rng(1)
    labels, groups = random.integers(0, 3, 90), random.integers(0, 25, 90)
    for learned, judged in fold_parts(labels, groups, 5, seed=0):
        assert not set(groups[learned]) & set(groups[judged])
        assert sorted([*learned, *judged]) == list(range(90))


def test_every_class_is_spread_evenly_over_the_folds():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), [50, 20, 7]))
    for _, judged in fold_parts(labels, None, 5, seed=0):
        assert np.array_equal(np.bincount(labels[judged], minlength=3)[:2], [10, 4])
        assert np.bincount(labels[judged], minlength=3)[2] in {1, 2}
        assert len(judged) in {15, 16}


def test_another_seed_deals_the_folds_anew():
    labels = np.repeat(np.arange(3), 20)
    first, again, other = (fold_parts(labels, None, 4, seed=seed)[0][1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)

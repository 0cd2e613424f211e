"""Paired differences and their intervals."""

import numpy as np
import pytest

from vitcore.evaluation import compare
from vitcore.search import paired_difference


def made_up(seed: int, photos: int = 200, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    level = random.random(photos)
    return tuple((random.random(photos) < np.clip(level + more, 0, 1)).astype(float) for more in (gain, 0.0))


def test_it_is_the_interval_of_matched_proportions():
    for seed in range(5):
        first, second = made_up(seed, gain=0.1)
        ours = paired_difference(first, second, np.arange(200))
        theirs = compare(np.ones(200, dtype=int), first.astype(int), second.astype(int))
        assert ours.value == pytest.approx(theirs.difference)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.002)


def test_more_comparisons_make_it_wider():
    first, second = made_up(0)
    one, many = (paired_difference(first, second, np.arange(200), compared=count) for count in (1, 10))
    assert many.low < one.low < one.high < many.high


def test_a_few_photos_that_agree_are_no_proof():
    found = paired_difference(np.ones(5), np.zeros(5), np.arange(5), compared=4)
    assert found.value == 1
    assert found.low <= 0


def test_one_group_says_nothing():
    found = paired_difference(np.ones(50), np.zeros(50), np.zeros(50))
    assert (found.low, found.high) == (-1, 1)


def test_photos_of_one_group_count_as_one():
    first, second = (np.repeat(values, 5) for values in made_up(1, 40, 0.3))
    alone = paired_difference(first, second, np.arange(200))
    together = paired_difference(first, second, np.arange(200) // 5)
    once = paired_difference(first[::5], second[::5], np.arange(40))
    assert together.low < alone.low
    assert together.high - together.low == pytest.approx(once.high - once.low, rel=0.1)


@pytest.mark.thorough
def test_the_intervals_of_several_hold_together():
    missed = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        level = random.random(150)
        base, *others = ((random.random(150) < level).astype(float) for _ in range(6))
        found = [paired_difference(each, base, np.arange(150), compared=5) for each in others]
        missed += any(each.low > 0 or each.high < 0 for each in found)
    assert missed <= 0.06 * 400

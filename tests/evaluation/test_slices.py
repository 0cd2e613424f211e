"""Accuracy by what images have in common: a weakness is named, and chance is not taken for one."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from vitcore.evaluation import accuracy_slices, weakest_slice, wilson_interval
from vitcore.evaluation._slices import _chances


def drawn(seed, weak=None, images=240):
    """Columns of two, three and eight values, and answers that are right in 85 % of the images."""
    random = np.random.default_rng(seed)
    columns = {
        name: pd.Series(random.choice(list("abcdefgh"[:n]), images))
        for name, n in (("x", 2), ("y", 3), ("z", 8))
    }
    chance = np.full(images, 0.85)
    if weak is not None:
        chance[columns["y"] == weak] = 0.5
    return columns, random.random(images) < chance


def test_each_value_has_its_accuracy_the_lowest_first():
    values = pd.Series(["b", "b", "a", "a", "a", "", "c"])
    found = accuracy_slices(values, np.array([True, False, True, True, True, False, False]))
    assert found["value"].tolist() == ["c", "b", "a"]
    assert found["images"].tolist() == [1, 2, 3]
    assert found["accuracy"].tolist() == [0, 0.5, 1]
    assert tuple(found.loc[1, ["low", "high"]]) == wilson_interval(1, 2)


def test_a_planted_weakness_is_named_in_nine_of_ten_draws():
    found = [weakest_slice(*drawn(seed, weak="b")) for seed in range(20)]
    assert sum(worst is not None and (worst.column, worst.value) == ("y", "b") for worst in found) >= 18
    worst = found[0]
    assert worst.low < worst.accuracy < worst.high < worst.others


def test_chance_is_named_in_one_of_twenty_draws_at_most():
    assert sum(weakest_slice(*drawn(seed)) is not None for seed in range(60)) <= 3


@pytest.mark.parametrize(("images", "right"), [(12, 9), (40, 37), (40, 3), (2000, 1700)])
def test_the_chance_of_a_count_is_that_of_fishers_exact_test(images, right):
    for size in (5, images // 3, images - 1):
        [chances] = _chances(np.array([size]), images, right)
        counts = range(max(0, size - (images - right)), min(size, right) + 1, max(1, size // 9))
        for count in counts:
            table = [[count, size - count], [right - count, images - right - size + count]]
            assert chances[count] == pytest.approx(fisher_exact(table, alternative="less")[1], rel=1e-6)


def test_the_same_answers_give_the_same_slice():
    assert weakest_slice(*drawn(3, weak="b")) == weakest_slice(*drawn(3, weak="b"))


def test_a_hundred_thousand_images_are_compared_in_a_moment():
    columns, right = drawn(0, weak="b", images=100_000)
    started = time.process_time()
    assert weakest_slice(columns, right).value == "b"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("columns", [{}, {"x": pd.Series(["a"] * 10)}, {"x": pd.Series([""] * 10)}])
def test_where_nothing_differs_nothing_is_named(columns):
    assert weakest_slice(columns, np.array([True] * 5 + [False] * 5)) is None

"""Which of two classifiers is better, against SciPy and the formulas of statsmodels and of the papers."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from vitcore.errors import InputError
from vitcore.evaluation import Comparison, compare


def compared(both_right: int, only_first: int, only_second: int, both_wrong: int) -> Comparison:
    cells = np.repeat([0, 1, 2, 3], [both_right, only_first, only_second, both_wrong])
    true = np.arange(len(cells)) % 3
    wrong = (true + 1) % 3
    return compare(true, np.where(cells <= 1, true, wrong), np.where(cells % 2 == 0, true, wrong))


def test_counts_and_difference():
    found = compared(40, 9, 3, 8)
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (40, 9, 3, 8)
    assert found.images == 60
    assert found.difference == pytest.approx(49 / 60 - 43 / 60)
    assert found.low < found.difference < found.high


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (0, 0),
        (1, 0),
        (5, 5),
        (9, 3),
        (0, 12),
        (12, 12),
        (13, 12),
        (25, 0),
        (40, 22),
        (150, 101),
        (9000, 9300),
    ],
)
def test_differences_are_tested_exactly(first, second):
    total = first + second
    expected = stats.binomtest(first, total).pvalue if total else 1
    assert compared(30, first, second, 4).p_value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "second", "chance"), [(0, 0, True), (5, 0, True), (9, 3, True), (9, 1, False), (0, 12, False)]
)
def test_a_difference_is_more_than_chance_where_test_and_interval_say_so(first, second, chance):
    assert compared(40, first, second, 8).may_be_chance == chance


@pytest.mark.parametrize(("first", "second"), [(0, 0), (9, 3), (3, 9), (0, 10), (60, 21)])
def test_the_interval_is_that_of_agresti_and_min(first, second):
    # diffpropci of the authors' R code, which adds 0.5 to each of the four counts.
    images = 44 + first + second
    centre = (first - second) / (images + 2)
    deviation = math.sqrt(first + second + 1 - (first - second) ** 2 / (images + 2)) / (images + 2)
    found = compared(40, first, second, 4)
    assert found.low == pytest.approx(centre - stats.norm.ppf(0.975) * deviation)
    assert found.high == pytest.approx(centre + stats.norm.ppf(0.975) * deviation)


def test_the_order_of_the_two_turns_the_sign():
    one, other = compared(20, 9, 3, 5), compared(20, 3, 9, 5)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.p_value == other.p_value


@pytest.mark.parametrize("counts", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 3, 0), (0, 0, 0, 2)])
def test_a_few_images_are_enough(counts):
    found = compared(*counts)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.p_value > 0.05


@pytest.mark.parametrize(("images", "cells"), [(60, (0.8, 0.1, 0.04, 0.06)), (250, (0.9, 0.02, 0.05, 0.03))])
def test_the_interval_holds_the_true_difference_as_often_as_promised(images, cells):
    tables = np.random.default_rng(0).multinomial(images, cells, 2000)
    held = [found.low <= cells[1] - cells[2] <= found.high for found in (compared(*row) for row in tables)]
    assert 0.935 <= np.mean(held) <= 0.97  # the standard error is 0.005


# --- images that belong together ----------------------------------------------------------------


def drawn(random: np.random.Generator, sizes: np.ndarray, alike: float, cells: tuple[float, ...]):
    """Truth, predictions and groups; so large a share of a group falls into one cell."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    together = random.choice(4, len(sizes), p=cells)[groups]
    cell = np.where(random.random(len(groups)) < alike, together, random.choice(4, len(groups), p=cells))
    true = np.zeros(len(groups), dtype=np.int64)
    return true, (cell > 1).astype(np.int64), (cell % 2).astype(np.int64), groups


def test_images_that_stand_alone_are_groups_of_one():
    true, first, second, _ = drawn(np.random.default_rng(0), np.ones(50, int), 0.0, (0.5, 0.2, 0.1, 0.2))
    names = np.array([f"photo {number}" for number in range(50)])
    assert compare(true, first, second, names) == compare(true, first, second)


@pytest.mark.parametrize("sums", [(3, -1), (2, 2, -1), (3, 1, 1, -2), (5, 4, 1, 1), (2, 2, 2, 2, 2, -1)])
def test_the_test_takes_each_group_as_a_whole(sums):
    groups = np.repeat(np.arange(len(sums)), np.abs(sums))
    for_first = np.repeat(np.array(sums) > 0, np.abs(sums))
    true = np.zeros(len(groups), dtype=np.int64)
    found = compare(true, (~for_first).astype(np.int64), for_first.astype(np.int64), groups)
    signs = itertools.product((-1, 1), repeat=len(sums))
    as_far = [abs(np.dot(sign, np.abs(sums))) >= abs(sum(sums)) for sign in signs]
    assert found.p_value == pytest.approx(np.mean(as_far))
    assert found.groups == len(sums)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("count", "most"), [(4, 6), (12, 10), (40, 4)])
def test_groups_make_no_difference_out_of_chance(alike, count, most):
    random, held, found = np.random.default_rng(0), [], []
    for _ in range(600):
        sizes = random.integers(1, most + 1, count)
        compared = compare(*drawn(random, sizes, alike, (0.6, 0.15, 0.15, 0.1)))
        held.append(compared.low <= 0 <= compared.high)
        found.append(not compared.may_be_chance)
    assert np.mean(held) >= 0.93  # the standard error is 0.01
    assert np.mean(found) <= 0.07


def test_one_group_says_next_to_nothing():
    true = np.zeros(30, dtype=np.int64)
    found = compare(true, true, np.ones(30, dtype=np.int64), np.zeros(30))
    assert (found.p_value, found.groups) == (1.0, 1)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    "shapes", [((0,), (0,), (0,)), ((3,), (3,), (2,)), ((3,), (1,), (3,)), ((2, 2),) * 3]
)
def test_what_does_not_match_is_refused(shapes):
    with pytest.raises(InputError):
        compare(*(np.zeros(shape, dtype=np.int64) for shape in shapes))

"""How far a figure from a limited number of images may be off."""

import math

import numpy as np
import pytest

from vitcore.evaluation import bootstrap_interval, wilson_interval


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        # R: prop.test(hits, total, correct = FALSE)$conf.int
        (8, 10, 0.4901625, 0.9433178),
        (5, 10, 0.2365931, 0.7634069),
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (81, 263, 0.2552719, 0.3661832),  # Newcombe, 1998, table I
        (1, 1, 0.2065493, 1.0),
    ],
)
def test_wilson_intervals_are_those_of_the_textbook(hits, total, low, high):
    assert wilson_interval(hits, total) == pytest.approx((low, high), abs=1e-4)


def test_without_images_there_is_no_interval():
    assert all(math.isnan(bound) for bound in wilson_interval(0, 0))


@pytest.mark.parametrize("total", [1, 7, 100, 10_000])
def test_wilson_intervals_hold_the_share_and_stay_between_0_and_1(total):
    for hits in {0, 1, total // 3, total - 1, total}:
        low, high = wilson_interval(hits, total)
        assert 0 <= low <= hits / total + 1e-12
        assert hits / total - 1e-12 <= high <= 1


def test_more_images_make_a_narrower_interval():
    widths = [high - low for low, high in (wilson_interval(8 * n, 10 * n) for n in (1, 10, 100))]
    assert widths[0] > 2.5 * widths[1] > 6 * widths[2]


def mean_of(values: np.ndarray):
    return lambda rows: float(values[rows].mean())


def test_a_bootstrap_interval_holds_the_value_and_is_about_as_wide_as_it_should_be():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap_interval(mean_of(values), 400)
    assert low < values.mean() < high
    expected = 2 * 1.96 * values.std() / math.sqrt(400)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_the_seed_decides_a_bootstrap_interval():
    values = np.random.default_rng(0).normal(size=50)
    first, second, other = (bootstrap_interval(mean_of(values), 50, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_rows_are_drawn_with_replacement_from_all():
    drawn = []

    def metric(rows: np.ndarray) -> float:
        drawn.append(rows)
        return 0.0

    bootstrap_interval(metric, 5)
    assert {len(rows) for rows in drawn} == {5}
    assert set(np.concatenate(drawn)) == {0, 1, 2, 3, 4}
    assert any(len(set(rows)) < 5 for rows in drawn)


def test_values_that_are_not_defined_are_left_out():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    often = bootstrap_interval(lambda rows: math.nan if 0 in rows[:1] else float(values[rows].mean()), 4)
    assert 1 <= often[0] < often[1] <= 4


def test_an_interval_of_a_figure_that_is_hardly_ever_defined_is_not_defined():
    assert all(math.isnan(bound) for bound in bootstrap_interval(lambda _: math.nan, 4))


def test_a_figure_that_never_changes_has_an_interval_of_no_width():
    assert bootstrap_interval(lambda _: 0.5, 10) == (0.5, 0.5)

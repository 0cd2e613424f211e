"""Whether predictions are right as often as their confidence says."""

import math

import numpy as np
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import (
    calibration_noise_floor,
    expected_calibration_error,
    reliability,
    wilson_interval,
)


def honest(count: int, seed: int, power: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities; a power above 1 then makes these too sure of themselves."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), count)
    true = (random.random(count)[:, np.newaxis] > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    raised = probabilities**power
    return true, raised / raised.sum(axis=1, keepdims=True)


def test_bins_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.55, 0.45], [0.05, 0.95], [0.65, 0.35]])
    table = reliability(np.array([0, 1, 1, 0]), probabilities, bins=2)
    assert list(table.columns) == ["confidence", "accuracy", "low", "high", "images"]
    assert table["confidence"].tolist() == pytest.approx([0.6, 0.925])
    assert table["accuracy"].tolist() == [0.5, 1]
    assert table["images"].tolist() == [2, 2]
    assert list(zip(table["low"], table["high"], strict=True)) == [
        wilson_interval(1, 2),
        wilson_interval(2, 2),
    ]


@pytest.mark.parametrize("bins", [1, 7, 10])
@pytest.mark.parametrize(("count", "digits"), [(1, 3), (5, 3), (200, 3), (200, 1)])
def test_the_gaps_of_the_bins_make_the_calibration_error(count, digits, bins):
    true, probabilities = honest(count, seed=count, power=2)
    probabilities = probabilities.round(digits)  # some confidences are equal
    table = reliability(true, probabilities, bins)
    assert len(table) <= bins
    assert table["images"].sum() == count
    assert table["confidence"].is_monotonic_increasing
    gaps = (table["accuracy"] - table["confidence"]).abs()
    expected = expected_calibration_error(true, probabilities, bins)
    assert (gaps * table["images"]).sum() / count == pytest.approx(expected)


@pytest.mark.parametrize(("true", "shape"), [([], (0, 3)), ([0, 1], (3, 3)), ([0, 1], (2,))])
def test_what_does_not_match_is_refused(true, shape):
    with pytest.raises(InputError):
        reliability(np.array(true, dtype=np.int64), np.full(shape, 1 / 3))


def test_the_noise_floor_is_what_honest_confidences_show():
    sets = [honest(200, seed) for seed in range(150)]
    shown = np.mean([expected_calibration_error(*one) for one in sets])
    floors = [calibration_noise_floor(probabilities, seed=7) for _, probabilities in sets[:20]]
    # Standard errors: 0.0015 of what is shown, 0.0005 of the floors.
    assert np.mean(floors) == pytest.approx(shown, abs=0.006)
    assert 0.07 < shown < 0.09


def test_what_is_too_sure_shows_more_than_the_noise_floor():
    true, probabilities = honest(2000, 0, power=3)
    assert expected_calibration_error(true, probabilities) > 3 * calibration_noise_floor(probabilities)


def test_more_images_make_a_lower_noise_floor():
    small, large = (calibration_noise_floor(honest(count, 0)[1]) for count in (200, 3200))
    assert large == pytest.approx(small / 4, rel=0.1)


def test_one_bin_of_even_chances_by_hand():
    # The mean of |heads − 2| of four coins is 0.75.
    floor = calibration_noise_floor(np.full((4, 2), 0.5), repeats=4000)
    assert floor == pytest.approx(0.75 / 4, abs=0.01)


def test_certainty_makes_no_noise():
    assert calibration_noise_floor(np.eye(2)[[0, 1, 1]]) == 0


def test_the_seed_decides_the_noise_floor():
    probabilities = honest(50, 0)[1]
    assert calibration_noise_floor(probabilities, seed=1) == calibration_noise_floor(probabilities, seed=1)
    assert calibration_noise_floor(probabilities, seed=1) != calibration_noise_floor(probabilities, seed=2)


def test_without_images_there_is_no_noise_floor():
    assert math.isnan(calibration_noise_floor(np.empty((0, 3))))

"""Probabilities that can be taken at their word."""

import numpy as np
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import (
    expected_calibration_error,
    fit_temperature,
    log_loss,
    scaled_probabilities,
    uncorrected_probabilities,
)


def outcomes(count: int = 4000, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is as often right as it says, and what was true."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    chosen = random.random((count, 1)) > scaled_probabilities(logits, 1).cumsum(axis=1)
    return logits, chosen.sum(axis=1)


def test_a_temperature_of_one_is_the_softmax():
    logits = np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], dtype=np.float32)
    assert scaled_probabilities(logits, 1) == pytest.approx(np.array([[0.25, 0.75], [1, 0]]))
    assert scaled_probabilities(logits[:1], 0.5) == pytest.approx(np.array([[0.1, 0.9]]))


@pytest.mark.parametrize("temperature", [0.2, 1, 6])
def test_the_temperature_that_logits_were_multiplied_by_is_found(temperature):
    logits, true = outcomes()
    assert fit_temperature(logits * temperature, true) == pytest.approx(temperature, rel=0.05)


def test_scaling_lowers_the_loss_and_the_calibration_error_and_changes_no_answer():
    logits, true = outcomes()
    logits = logits * 3
    before = scaled_probabilities(logits, 1)
    after = scaled_probabilities(logits, fit_temperature(logits, true))
    assert log_loss(true, after) < log_loss(true, before) - 0.3
    assert expected_calibration_error(true, after) < 0.02 < 0.1 < expected_calibration_error(true, before)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))


@pytest.mark.parametrize("count", [5, 20, 200])
def test_where_all_are_right_the_confidence_is_what_so_many_are_reason_for(count):
    logits = np.tile([2.0, 0.0, 0.0], (count, 1))
    true = np.zeros(count, dtype=np.int64)
    confidence = scaled_probabilities(logits, fit_temperature(logits, true))[:, 0]
    assert confidence == pytest.approx((count + 1) / (count + 2), abs=1e-3)


def test_it_stays_within_its_bounds():
    logits = np.tile([0.01, 0.0], (50, 1))
    assert fit_temperature(logits, np.zeros(50, dtype=np.int64)) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(logits, np.ones(50, dtype=np.int64)) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize(("labels", "shape"), [(0, (0, 3)), (2, (3, 3)), (2, (2,))])
def test_what_does_not_match_is_refused(labels, shape):
    with pytest.raises(InputError, match="at least one image"):
        fit_temperature(np.zeros(shape), np.zeros(labels, dtype=np.int64))


def test_probabilities_go_back_to_what_they_were_before_the_correction():
    logits = np.random.default_rng(3).normal(0, 2, (20, 5))
    corrected = scaled_probabilities(logits, 1.7)
    assert uncorrected_probabilities(corrected, 1.7) == pytest.approx(
        scaled_probabilities(logits, 1), abs=1e-9
    )

"""When to say "not sure"."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import (
    DoubtRule,
    conformal_threshold,
    coverage_curve,
    fit_doubt_rule,
    prediction_sets,
    set_coverage,
)
from vitcore.records import plain_values, record_of

LEVELS = np.linspace(0, 1, 41).tolist()


def guesses(count: int, seed: int = 0, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities (N, 4) that know something of them, and distances."""
    random = np.random.default_rng(seed)
    true = random.integers(0, 4, count)
    powers = np.exp(random.normal(size=(count, 4)) + skill * np.eye(4)[true])
    return true, powers / powers.sum(axis=1, keepdims=True), random.uniform(0.1, 0.5, count)


@pytest.fixture(scope="module")
def rule() -> DoubtRule:
    return fit_doubt_rule(*guesses(300))


# --- sets --------------------------------------------------------------------------------------


def test_a_set_holds_the_classes_before_which_there_is_no_more_than_the_mass():
    probabilities = np.array([[0.1, 0.6, 0.3], [0.9, 0.06, 0.04], [0.3, 0.3, 0.4]])
    expected = [[False, True, True], [True, False, False], [True, False, True]]
    assert prediction_sets(probabilities, 0.65).tolist() == expected
    assert prediction_sets(probabilities, 0).sum(axis=1).tolist() == [1, 1, 1]
    assert prediction_sets(probabilities, 1).all()


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("skill", [1.0, 2.5])
def test_sets_hold_the_truth_as_often_as_wanted(coverage, skill):
    # Over the draws of 100 images the coverage is Beta distributed with that mean; 40 draws average it.
    judged_true, judged, _ = guesses(2000, seed=99, skill=skill)
    found = []
    for seed in range(40):
        true, probabilities, _ = guesses(100, seed=seed, skill=skill)
        sets = prediction_sets(judged, conformal_threshold(true, probabilities, coverage))
        found.append(set_coverage(judged_true, sets))
    accuracy = (judged.argmax(axis=1) == judged_true).mean()  # what one class alone covers
    assert np.mean(found) == pytest.approx(max(coverage, accuracy), abs=0.025)


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.95])
def test_sets_are_those_that_crepes_gives_for_the_same_scores(coverage):
    crepes = pytest.importorskip("crepes", reason="requirements-dev.txt has crepes")
    true, probabilities, _ = guesses(80, seed=3, skill=0.5)
    _, new, _ = guesses(60, seed=4, skill=0.5)

    def scores(rows: np.ndarray) -> np.ndarray:
        """What is more probable than each class, added up."""
        return np.array([[row[row > own].sum() for own in row] for row in rows])

    oracle = crepes.ConformalClassifier()
    oracle.fit(scores(probabilities)[np.arange(80), true])
    expected = oracle.predict_set(scores(new), confidence=coverage, smoothing=False)
    assert 60 < expected.sum() < 240
    found = prediction_sets(new, conformal_threshold(true, probabilities, coverage))
    assert found.tolist() == (expected == 1).tolist()


def test_the_threshold_is_the_score_of_the_rank_that_is_due():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    true = np.array([0, 1, 2, 2])  # with 0, 0.6, 0.9 and 0.75 before
    thresholds = [conformal_threshold(true, probabilities, share) for share in (0, 0.2, 0.4, 0.6, 0.8, 0.81)]
    assert thresholds == pytest.approx([0, 0, 0.6, 0.75, 0.9, 1])


def test_the_coverage_of_sets_is_counted():
    sets = np.array([[True, False], [True, True], [False, True], [False, True]])
    assert set_coverage(np.array([0, 0, 0, 1]), sets) == 0.75
    assert math.isnan(set_coverage(np.array([], dtype=np.int64), sets[:0]))


# --- the rule ----------------------------------------------------------------------------------


def test_level_0_answers_everything(rule):
    _, probabilities, _ = guesses(50, seed=1)
    verdicts = rule.judge(probabilities, np.full(50, 2.0), 0)
    assert verdicts.sure.all()
    assert set(verdicts.reason) == {""}


def test_a_higher_level_never_answers_more(rule):
    _, probabilities, distances = guesses(400, seed=1)
    answered = [rule.judge(probabilities, distances, level).sure for level in LEVELS]
    for lower, higher in pairwise(answered):
        assert not (higher & ~lower).any()
    assert answered[0].all()
    assert answered[-1].mean() < 0.5


def test_the_reasons_are_those_of_the_two_bounds(rule):
    mass, distance = rule.at(0.5)
    probabilities = np.array([[1, 0, 0, 0], [0.5, 0.45, 0.05, 0], [1, 0, 0, 0], [0.5, 0.45, 0.05, 0]])
    distances = np.array([distance, distance, distance + 0.01, distance + 0.01])
    verdicts = rule.judge(probabilities, distances, 0.5)
    assert 0.5 < mass < 1
    assert verdicts.reason.tolist() == ["", "ambiguous", "novel", "novel"]
    assert verdicts.sure.tolist() == [True, False, False, False]
    assert verdicts.sets[0].tolist() == [True, False, False, False]
    assert verdicts.sets[1, :2].all()


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_what_is_familiar_is_taken_for_unlike_as_rarely_as_is_said(level):
    rule = fit_doubt_rule(*guesses(2000))
    _, probabilities, distances = guesses(2000, seed=1)
    unlike = rule.judge(probabilities, distances, level).reason == "novel"
    assert unlike.mean() == pytest.approx(0.1 * math.sqrt(level), abs=0.02)


def test_at_level_1_nearly_every_set_holds_the_truth():
    rule = fit_doubt_rule(*guesses(2000))
    true, probabilities, distances = guesses(2000, seed=1)
    assert set_coverage(true, rule.judge(probabilities, distances, 1).sets) == pytest.approx(0.99, abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_where_all_were_right_it_takes_a_confidence_of_half_the_level(count):
    rule = fit_doubt_rule(
        np.zeros(count, dtype=np.int64), np.tile([0.8, 0.1, 0.1], (count, 1)), np.full(count, 0.2)
    )
    probabilities = np.array([[0.52, 0.48, 0.0], [0.42, 0.3, 0.28]])
    sure = [rule.judge(probabilities, np.full(2, 0.2), level).sure.tolist() for level in (0, 0.8, 0.9, 1)]
    assert sure == [[True, True], [True, True], [True, False], [True, False]]


def test_of_few_images_the_surest_are_still_answered():
    rule = fit_doubt_rule(*guesses(20))
    _, probabilities, _ = guesses(500, seed=1, skill=5)
    assert 0 < rule.judge(probabilities, np.zeros(500), 1).sure.mean() < 1


def test_images_with_nothing_to_compare_with_are_no_obstacle():
    true, probabilities, _ = guesses(5)
    rule = fit_doubt_rule(true, probabilities, np.full(5, 2.0))
    assert "novel" not in rule.judge(probabilities, np.full(5, 2.0), 1).reason


def test_a_rule_comes_back_from_json(rule):
    text = json.dumps(plain_values(rule), allow_nan=False)
    assert record_of(DoubtRule, json.loads(text)) == rule


@pytest.mark.parametrize("level", [-0.1, 1.1, math.nan])
def test_there_are_no_other_levels(rule, level):
    with pytest.raises(InputError, match="The level is"):
        rule.at(level)


def test_what_does_not_match_is_refused():
    true, probabilities, distances = guesses(5)
    for wrong in ((true[:4], probabilities, distances), (true, probabilities, distances[:4])):
        with pytest.raises(InputError, match="labels and"):
            fit_doubt_rule(*wrong)
    with pytest.raises(InputError, match="at least one image"):
        conformal_threshold(true[:0], probabilities[:0], 0.9)


# --- the curve ---------------------------------------------------------------------------------


def test_the_curve_tells_what_each_level_costs_and_gains(rule):
    true, probabilities, distances = guesses(500, seed=1)
    curve = coverage_curve(rule, true, probabilities, distances)
    assert list(curve) == ["level", "coverage", "accuracy", "in_set"]
    assert curve["level"].tolist() == pytest.approx(np.linspace(0, 1, 101))
    first, last = curve.iloc[0], curve.iloc[-1]
    assert first["coverage"] == 1
    assert first["accuracy"] == first["in_set"] == (probabilities.argmax(axis=1) == true).mean()
    assert curve["coverage"].is_monotonic_decreasing
    assert curve["in_set"].is_monotonic_increasing
    assert last["accuracy"] > first["accuracy"] + 0.1
    middle = rule.judge(probabilities, distances, 0.5)
    right = probabilities.argmax(axis=1) == true
    assert curve["coverage"][50] == middle.sure.mean()
    assert curve["accuracy"][50] == pytest.approx(right[middle.sure].mean())


def test_where_nothing_is_answered_there_is_no_accuracy(rule):
    true, probabilities, _ = guesses(10)
    curve = coverage_curve(rule, true, probabilities, np.full(10, 3.0))
    assert curve["coverage"].eq(0).all()
    assert curve["accuracy"].isna().all()


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_the_confidence_alone_tells_what_all_probabilities_do(rule, level):
    _, probabilities, distances = guesses(500, seed=4)
    verdicts = rule.judge(probabilities, distances, level)
    reasons = rule.reasons(probabilities.max(axis=1), distances, level)
    assert verdicts.reason.tolist() == reasons.tolist()
    near = reasons != "novel"
    assert ((verdicts.sets.sum(axis=1) > 1) == (reasons == "ambiguous"))[near].all()

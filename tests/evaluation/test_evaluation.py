"""What a head is worth on images it never saw."""

import json
import math
import time

import numpy as np
import pytest

from vitcore.errors import InputError
from vitcore.evaluation import (
    Evaluation,
    Metric,
    balanced_accuracy,
    cohen_kappa,
    confusion_matrix,
    evaluate,
    expected_calibration_error,
    log_loss,
    macro_f1,
    top_3_accuracy,
    wilson_interval,
)
from vitcore.records import plain_values, record_of

CLASSES = ("cat", "dog", "owl")


def guesses(count: int = 120, seed: int = 0, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    true = random.integers(0, 3, count)
    logits = random.normal(size=(count, 3)) + skill * np.eye(3)[true]
    powers = np.exp(logits)
    return true, powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(*guesses(), CLASSES)


def test_all_figures_are_those_of_the_metrics(evaluation):
    true, probabilities = guesses()
    confusion = confusion_matrix(true, probabilities.argmax(axis=1), 3)
    expected = {
        "accuracy": np.trace(confusion) / 120,
        "balanced_accuracy": balanced_accuracy(confusion),
        "cohen_kappa": cohen_kappa(confusion),
        "macro_f1": macro_f1(confusion),
        "log_loss": log_loss(true, probabilities),
        "expected_calibration_error": expected_calibration_error(true, probabilities),
    }
    assert {name: metric.value for name, metric in evaluation.metrics.items()} == pytest.approx(expected)
    assert np.array_equal(evaluation.confusion, confusion)
    assert (evaluation.classes, evaluation.images) == (CLASSES, 120)
    assert evaluation.accuracy == pytest.approx(expected["accuracy"])
    assert evaluation.balanced_accuracy == pytest.approx(expected["balanced_accuracy"])
    assert evaluation.cohen_kappa == pytest.approx(expected["cohen_kappa"])


def test_every_interval_holds_its_figure(evaluation):
    for name, metric in evaluation.metrics.items():
        if name == "expected_calibration_error":
            assert math.isnan(metric.low)
            assert math.isnan(metric.high)
        else:
            assert metric.low < metric.value < metric.high, name


def test_the_interval_of_the_accuracy_is_wilsons(evaluation):
    metric = evaluation.metrics["accuracy"]
    assert (metric.low, metric.high) == wilson_interval(round(metric.value * 120), 120)


def test_the_same_predictions_give_the_same_intervals(evaluation):
    assert evaluate(*guesses(), CLASSES).to_dict() == evaluation.to_dict()


def test_figures_per_class(evaluation):
    table = evaluation.per_class()
    assert list(table.columns) == [
        "class",
        "precision",
        "recall",
        "recall_low",
        "recall_high",
        "f1",
        "support",
    ]
    assert table["class"].tolist() == list(CLASSES)
    assert table["support"].sum() == 120
    assert (table["recall_low"] < table["recall"]).all()
    assert (table["recall"] < table["recall_high"]).all()
    assert table["recall"].mean() == pytest.approx(evaluation.balanced_accuracy)
    assert table["f1"].mean() == pytest.approx(evaluation.metrics["macro_f1"].value)


def test_an_evaluation_comes_back_from_json(evaluation):
    text = json.dumps(evaluation.to_dict(), allow_nan=False)
    again = record_of(Evaluation, json.loads(text))
    assert again.to_dict() == evaluation.to_dict()
    assert again.classes == evaluation.classes
    assert np.array_equal(again.confusion, evaluation.confusion)
    assert again.confusion.dtype == np.int64
    assert math.isnan(again.metrics["expected_calibration_error"].low)


def test_what_is_not_defined_becomes_null():
    assert plain_values(Metric(math.nan)) == {"value": None, "low": None, "high": None}
    assert plain_values(Metric(0.5, 0.25, 0.75)) == {"value": 0.5, "low": 0.25, "high": 0.75}


@pytest.mark.parametrize(
    ("true", "probabilities"),
    [
        pytest.param([0, 0, 0], [[1, 0, 0]] * 3, id="one class throughout"),
        pytest.param([0], [[0.2, 0.5, 0.3]], id="one image"),
        pytest.param([0, 1, 2], np.eye(3), id="all right and certain"),
        pytest.param([1, 2, 0], np.eye(3), id="all wrong and certain"),
        pytest.param([0, 1, 2] * 4, np.full((12, 3), 1 / 3), id="guessing"),
    ],
)
def test_degenerate_sets_are_judged_without_a_warning(true, probabilities):
    evaluation = evaluate(np.array(true), np.array(probabilities, dtype=np.float64), CLASSES)
    json.dumps(evaluation.to_dict(), allow_nan=False)
    assert math.isfinite(evaluation.metrics["log_loss"].value)
    assert evaluation.images == len(true)
    assert len(evaluation.per_class()) == 3


@pytest.mark.parametrize(("count", "classes"), [(120, 4), (20_000, 100)])
def test_more_than_three_classes_have_a_top_3_and_every_interval_is_there_at_once(count, classes):
    random = np.random.default_rng(0)
    true = random.integers(0, classes, count)
    powers = np.exp(random.normal(size=(count, classes)) + 2 * np.eye(classes)[true])
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    began = time.process_time()
    found = evaluate(true, probabilities, [str(number) for number in range(classes)]).metrics
    assert time.process_time() - began < 1
    assert found["top_3_accuracy"].value == top_3_accuracy(true, probabilities)
    hits = round(found["top_3_accuracy"].value * count)
    assert (found["top_3_accuracy"].low, found["top_3_accuracy"].high) == wilson_interval(hits, count)
    for name in set(found) - {"expected_calibration_error"}:
        assert found[name].low < found[name].value < found[name].high, name


def test_what_an_earlier_version_wrote_is_read():
    old = {
        "metrics": {
            "accuracy": {"value": 0.75, "low": 0.3, "high": 0.95},
            "balanced_accuracy": {"value": 0.75, "low": None, "high": None},
            "cohen_kappa": {"value": 0.7, "low": None, "high": None},
            "macro_f1": {"value": 0.7, "low": None, "high": None},
            "log_loss": {"value": 0.5, "low": None, "high": None},
            "expected_calibration_error": {"value": 0.1, "low": None, "high": None},
        },
        "classes": ["a", "b", "c", "d"],
        "confusion": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]],
        "images": 4,
    }
    found = record_of(Evaluation, old)
    assert found.to_dict() == {**old, "worth": 1.0}
    assert found.accuracy == 0.75
    assert math.isnan(found.metrics["balanced_accuracy"].low)


@pytest.mark.parametrize(
    ("true", "shape"), [([], (0, 3)), ([0, 1], (3, 3)), ([0, 1], (2, 2)), ([0, 3], (2, 3)), ([0, -1], (2, 3))]
)
def test_what_does_not_match_is_refused(true, shape):
    with pytest.raises(InputError):
        evaluate(np.array(true, dtype=np.int64), np.full(shape, 1 / 3), CLASSES)

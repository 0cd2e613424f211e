"""The forecasts of the accuracy with more images, against the truth."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks._embedded import EmbeddedSet, embedded_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.evaluation import forecast
from vitcore.folds import deal_folds
from vitcore.training import Hyperparameters, fit_heads, learning_curve_points

__all__ = ["more_images"]

SEEDS = range(10)
_FOLDS = 5
_H = Hyperparameters()

Parts = list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


def more_images(setting: Setting) -> list[Row]:
    """Measure how often a forecast from half of the images holds the accuracy that all of them reach.

    Ten random halves. Reached is the accuracy, on the other half, of heads that learned from four
    fifths of all images, each judged on the last fifth. The mean error of the forecast is compared to that
    of expecting the accuracy of the half. Seeds with too few images to say count as not held.
    """
    rows = []
    for data in embedded_sets(setting):
        outcomes = [_outcome(setting, data, seed) for seed in SEEDS]
        expectation = [outcome for outcome in outcomes if outcome is not None]
        name = f"forecast: {data.name}"
        held = sum(outcome.low <= outcome.reached <= outcome.high for outcome in expectation)
        rows.append(Row(name=name, value=held, unit=f"of {len(outcomes)} held"))
        if not expectation:
            continue
        half_width = np.mean([outcome.high - outcome.low for outcome in expectation]) / 2
        error = np.mean([abs(outcome.expected - outcome.reached) for outcome in expectation])
        unchanged = np.mean([abs(outcome.before - outcome.reached) for outcome in expectation])
        rows += [
            Row(name=f"{name}, half width", value=100 * float(half_width), unit="points"),
            Row(
                name=f"{name}, error",
                value=100 * float(error),
                unit="points",
                baseline=100 * float(unchanged),
            ),
        ]
    return rows


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """Accuracies: with the half, what was expected of all, and what they reached."""

    before: float
    expected: float
    low: float
    high: float
    reached: float


def _outcome(setting: Setting, data: EmbeddedSet, seed: int) -> _Outcome | None:
    half, unseen = _divided(data, 2, seed)[0]
    points = learning_curve_points(
        data.vectors[half, np.newaxis],  # (N, D) -> (N, 1, D)
        data.labels[half],
        data.groups[half],
        classes=data.classes,
        hyperparameters=_H,
        seed=seed,
    )
    images = round(len(data.labels) * (1 - 1 / _FOLDS))
    expectation = forecast(points, [images], judged=len(unseen))
    if expectation.too_few_to_say:
        setting.say(f"  forecast: {data.name}, seed {seed}: {expectation.reason}")
        return None
    parts = _divided(data, _FOLDS, seed)
    results = fit_heads(
        data.vectors[:, np.newaxis],
        data.labels,
        parts,
        classes=data.classes,
        hyperparameters=_H,
    )
    right = np.zeros(len(data.labels), dtype=np.bool_)
    for result, (_, judged) in zip(results, parts, strict=True):
        predicted = result.head.logits(data.vectors[judged]).argmax(axis=1)
        right[judged] = predicted == data.labels[judged]
    largest = points[points["images"] == points["images"].max()]
    [(expected, low, high)] = expectation.table[["accuracy", "low", "high"]].to_numpy().tolist()
    outcome = _Outcome(
        before=float(np.average(largest["accuracy"], weights=largest["judged"])),
        expected=expected,
        low=low,
        high=high,
        reached=float(right[unseen].mean()),
    )
    setting.say(
        f"  forecast: {data.name}, seed {seed}, with half {outcome.before:.1%}, with all "
        f"{outcome.low:.1%} … {outcome.high:.1%} expected, {outcome.reached:.1%} reached"
    )
    return outcome


def _divided(data: EmbeddedSet, folds: int, seed: int) -> Parts:
    """Stratified folds that divide no group."""
    fold = deal_folds(data.labels, data.groups, folds, seed=seed)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(folds)]

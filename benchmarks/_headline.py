"""The honesty of the headline: cross-validation beside the figure of the validation part."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from benchmarks._embedded import EmbeddedSet, embedded_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.evaluation import Evaluation, evaluate, wilson_interval
from vitcore.folds import CROSS_VALIDATED_WORTH, deal_folds
from vitcore.training import (
    Head,
    Hyperparameters,
    cross_validate,
    finish_head,
    fit_head,
    remaining_errors,
    softmax,
    usual_folds,
)

__all__ = ["finish", "headline"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SIZES = (40, 80, 150, 300)  # photos of a drawn set
DRAWS = range(1000, 1040)  # seeds of the sets of each size, other ones than the constants were found with
_FEWEST = 10  # photos of a class
_HELD_BACK = 3  # photos for each that is drawn
_FEWEST_SUBJECTS = 4
_FRAMES = 4  # of a burst
_BLUR = {"digits": 4.0, "photos": 0.0}  # noise on the vectors, in standard deviations: digits are too easy
_SHAKE = 0.5  # between the frames of a burst


@dataclass(frozen=True, eq=False, kw_only=True)
class _Drawn:
    """Images drawn from a dataset, and those held back: vectors (N, 1, D), class numbers, groups."""

    x: Floats
    y: Ints
    groups: Ints
    rest_x: Floats
    rest_y: Ints
    classes: int

    def truth(self, head: Head) -> float:
        """Accuracy on the images held back, 0 … 1."""
        return float((head.logits(self.rest_x).argmax(axis=1) == self.rest_y).mean())


@dataclass(frozen=True, kw_only=True)
class _Figure:
    """An accuracy with its interval beside that on the images held back, all 0 … 1.

    Attributes:
        allowed: Whether the two agree once it is allowed for that so few are held back.
    """

    error: float
    holds: bool
    allowed: bool
    half: float


def headline(setting: Setting) -> list[Row]:
    """How often the 95 % interval of the headline holds the accuracy on photos held back, and its mean error.

    Sets of 40 to 300 photos of two to ten classes are drawn from the embeddings of whole datasets, singly and
    as bursts of four frames; the recipe as a user gets it is carried out on each, and the finished classifier
    is judged on all that was not drawn. Where few photos are held back, their own chance counts as well:
    "allowing for it" has it in the interval. The baseline is the figure of the validation part, which chose
    the best epoch as well, for the classifier that this leaves.
    """
    rows = []
    for data in embedded_sets(setting):
        for frames in (1, _FRAMES):
            found = [
                _figures(_draw(data, size, frames, seed), seed)
                for size in SIZES
                if (1 + _HELD_BACK) * size <= len(data.labels) * frames
                for seed in DRAWS
            ]
            kind = data.name if frames == 1 else f"{data.name} in bursts"
            rows += _rows(setting, f"headline: {kind}", found)
    return rows


def finish(setting: Setting) -> list[Row]:
    """The gain of finishing with all photos: accuracy on photos held back, of 80 % of each dataset."""
    rows = []
    for data in embedded_sets(setting):
        gains = []
        for seed in range(20):
            fold = deal_folds(data.labels, data.groups, 5, seed=seed)
            rows_in, out = np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)
            drawn = _Drawn(
                x=data.vectors[rows_in][:, np.newaxis].astype(np.float32),
                y=data.labels[rows_in],
                groups=data.groups[rows_in],
                rest_x=data.vectors[out].astype(np.float32),
                rest_y=data.labels[out],
                classes=data.classes,
            )
            judged, finished, _, _ = _heads(drawn, seed)
            gains.append(100 * (drawn.truth(finished) - drawn.truth(judged)))
            setting.say(f"  finish: {data.name}, seed {seed}, {gains[-1]:+.1f} points")
        half = 1.96 * float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
        rows += [
            Row(name=f"finish: {data.name}, gain", value=float(np.mean(gains)), unit="points"),
            Row(name=f"finish: {data.name}, gain, ±", value=half, unit="points"),
            Row(name=f"finish: {data.name}, lowest gain", value=min(gains), unit="points"),
        ]
    return rows


def _rows(setting: Setting, name: str, found: list[tuple[_Figure, _Figure]]) -> list[Row]:
    ours, before = zip(*found, strict=True)

    def row(what: str, unit: str, values: tuple[list[float], list[float]]) -> Row:
        mine, theirs = (100 * float(np.mean(each)) for each in values)
        return Row(name=f"{name}, {what}", value=mine, unit=unit, baseline=theirs)

    allowed = [f.allowed for f in ours], [f.allowed for f in before]
    rows = [
        row("held", "% of intervals", ([f.holds for f in ours], [f.holds for f in before])),
        row("held, allowing for it", "% of intervals", allowed),
        row("mean error", "points", ([f.error for f in ours], [f.error for f in before])),
        row("half interval", "points", ([f.half for f in ours], [f.half for f in before])),
    ]
    for each in rows:
        setting.say(f"  {each.name} {each.value:.2f} (before {each.baseline:.2f})")
    return rows


def _draw(data: EmbeddedSet, size: int, frames: int, seed: int) -> _Drawn:
    """Draw some of the classes, and photos of them; three times as many at least are held back."""
    random = np.random.default_rng([seed, size, frames])
    subjects = size // frames
    per_class = len(data.labels) / data.classes
    fewest = max(2, math.ceil((1 + _HELD_BACK) * subjects / per_class))
    most = min(data.classes, size // _FEWEST, subjects // _FEWEST_SUBJECTS)
    chosen = np.sort(random.choice(data.classes, int(random.integers(fewest, most + 1)), replace=False))
    pool = random.permutation(np.flatnonzero(np.isin(data.labels, chosen)))
    labels, groups = np.searchsorted(chosen, data.labels[pool]), data.groups[pool]
    own, rest = train_test_split(
        np.arange(len(pool)), train_size=subjects, stratify=labels, random_state=seed
    )
    rest = rest[~np.isin(groups[rest], groups[own])]
    spread = data.vectors.astype(np.float32).std(axis=0)

    def vectors(rows: Ints, frames: int) -> Floats:
        found = data.vectors[pool[rows]].astype(np.float32)
        found = found + _BLUR[data.name] * spread * random.standard_normal(found.shape, dtype=np.float32)
        many = np.repeat(found, frames, axis=0)
        return many + shake * spread * random.standard_normal(many.shape, dtype=np.float32)

    shake = _SHAKE if frames > 1 else 0.0
    return _Drawn(
        x=vectors(own, frames)[:, np.newaxis],
        y=np.repeat(labels[own], frames),
        groups=np.repeat(groups[own], frames),
        rest_x=vectors(rest, 1),
        rest_y=labels[rest],
        classes=len(chosen),
    )


def _heads(drawn: _Drawn, seed: int) -> tuple[Head, Head, Ints, Hyperparameters]:
    """The head that a validation part judges, the finished one, and that part's rows."""
    h = Hyperparameters(seed=seed)
    division = deal_folds(drawn.y, drawn.groups, 5, seed=seed)
    learned, validation = np.flatnonzero(division != 0), np.flatnonzero(division == 0)
    x, y = drawn.x, drawn.y
    best = fit_head(
        x[learned],
        y[learned],
        x[validation, 0],
        y[validation],
        classes=drawn.classes,
        hyperparameters=h,
    )
    finished = finish_head(x, y, validation, best, classes=drawn.classes, hyperparameters=h)
    return best.head, finished.head, validation, h


def _figures(drawn: _Drawn, seed: int) -> tuple[_Figure, _Figure]:
    """The headline and the figure of the validation part of one drawn set."""
    judged, finished, validation, h = _heads(drawn, seed)
    fold = deal_folds(drawn.y, drawn.groups, usual_folds(drawn.y, drawn.groups), seed=seed)
    crossed = cross_validate(drawn.x, drawn.y, drawn.groups, fold, classes=drawn.classes, hyperparameters=h)
    names = [str(number) for number in range(drawn.classes)]
    probabilities = softmax(crossed.logits).astype(np.float64)
    counted = evaluate(drawn.y, probabilities, names, drawn.groups, worth=CROSS_VALIDATED_WORTH)
    ours = counted.with_fewer_errors(remaining_errors(drawn.y, drawn.groups, fold))
    true = drawn.y[validation]
    before = evaluate(true, softmax(judged.logits(drawn.x[validation, 0])).astype(np.float64), names)
    return _figure(ours, drawn.truth(finished), drawn), _figure(before, drawn.truth(judged), drawn)


def _figure(evaluation: Evaluation, truth: float, drawn: _Drawn) -> _Figure:
    found, images = evaluation.metrics["accuracy"], evaluation.images
    worth = 1 / (1 / (images * evaluation.worth) + 1 / len(drawn.rest_y)) / images
    low, high = wilson_interval(round(found.value * images), images, worth)
    return _Figure(
        error=found.value - truth,
        holds=found.low <= truth <= found.high,
        allowed=low <= truth <= high,
        half=(found.high - found.low) / 2,
    )

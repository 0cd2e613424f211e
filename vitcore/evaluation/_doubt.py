"""The rule by which an answer is "not sure" instead of a class.

Two reasons, and one slider, the level, for both: 0 answers everything, 1 only what is beyond doubt.

``ambiguous``: several classes are possible. Those that are make up a conformal prediction set: the most
probable classes, up to a mass of probability that is just large enough for the set to contain the truth as
often as wanted. The score is that of the adaptive sets of Romano et al., "Classification with Valid and
Adaptive Coverage", 2020: the probability of all classes before the one in question. Without their random
part: the most probable class is always in, the same image always gets the same set, and an image is sure
exactly if its confidence is above a bound. On 600 photos of clothes (five splits, 90 % wanted) sets of all
classes above a bound of probability (Sadinle et al., "Least Ambiguous Set-Valued Classifiers", 2019) were as
small, 1.9 classes, but 46 % of the photos had only one, against 49 % here.

``novel``: the image is farther from those that were learned from than these are from each other (`novelty`),
or stands out like one that was turned or badly lit (`Probes`), which the distance hardly notices.

The bound is taken from images of the training part, each judged by a head that did not learn from it
(V. Vovk, "Cross-conformal predictors", 2015), so that no image is set aside. It then applies to a head that
learned from all of them. The promise of split conformal prediction (Angelopoulos and Bates, "Conformal
Prediction: A Gentle Introduction", 2023) is for one and the same head; here it holds about, and rather more
is covered than wanted, for the head that learned from more knows more: of those photos 92.3 % instead of
90 % (15 splits), with 5, 10 or 20 folds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from vitcore.errors import InputError

__all__ = [
    "FORMER_REASONS",
    "DoubtRule",
    "Verdicts",
    "conformal_threshold",
    "coverage_curve",
    "fit_doubt_rule",
    "prediction_sets",
    "set_coverage",
]

FORMER_REASONS = MappingProxyType({"close": "ambiguous", "unlike": "novel"})
"""Reasons as tables of earlier versions have them, and their names now."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LEVELS = np.linspace(0, 1, 101)
_HIGHEST_COVERAGE = 0.99  # at level 1
_MOST_UNLIKE = 0.1  # of the images that are not, at level 1
_FARTHEST = 2.0  # cosine distance


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdicts:
    """The answers to give, and the reasons to give none.

    Attributes:
        sure: (N,), whether the most probable class is the answer.
        reason: (N,), why it is not: ``ambiguous``, ``novel``, which goes before it, or nothing.
        sets: (N, C), the classes that are possible; the most probable one always is.
    """

    sure: Bools
    reason: npt.NDArray[np.str_]
    sets: Bools

    def possible(self, place: int, chances: Floats, classes: Sequence[str]) -> tuple[str, ...]:
        """Return the classes that an image may be, the most probable first.

        Args:
            place: Of the image.
            chances: (C,), its probabilities.
            classes: C names.
        """
        ranked = np.argsort(-chances, kind="stable")
        return tuple(classes[number] for number in ranked if self.sets[place, number])


@dataclass(frozen=True, kw_only=True)
class DoubtRule:
    """The bounds below which an answer is "not sure", for every level.

    Attributes:
        masses: Bound on the probability of the classes before the last possible one, 0 … 1, at equally
            spaced levels from 0 to 1.
        distances: Bound on the novelty, 0 … 2, at the same levels.
    """

    masses: tuple[float, ...]
    distances: tuple[float, ...]

    def at(self, level: float) -> tuple[float, float]:
        """The bounds on mass and distance at a level.

        An image is sure if its confidence is above the one and its novelty not above the other.

        Raises:
            InputError: The level is not from 0 to 1.
        """
        if not 0 <= level <= 1:
            raise InputError("The level is {level}; give 0, which answers everything, to 1.", level=level)
        levels = np.linspace(0, 1, len(self.masses))
        return float(np.interp(level, levels, self.masses)), float(np.interp(level, levels, self.distances))

    def judge(self, probabilities: Floats, distances: Floats, level: float) -> Verdicts:
        """Return the images to answer, and why the others not. A higher level never answers more.

        Args:
            probabilities: (N, C).
            distances: (N,), the `novelty` of the images.
            level: 0, which answers everything, to 1.

        Raises:
            InputError: The level is not from 0 to 1.
        """
        reason = self.reasons(probabilities.max(axis=1), distances, level)
        sets = prediction_sets(probabilities, self.at(level)[0])
        return Verdicts(sure=reason == "", reason=reason, sets=sets)

    def reasons(self, confidences: Floats, distances: Floats, level: float) -> npt.NDArray[np.str_]:
        """Return the reasons to leave images unanswered; empty for those that are: (N,), (N,) -> (N,).

        The confidence is all that counts of the probabilities: a second class is possible exactly if the
        first one's is not above the bound.

        Raises:
            InputError: The level is not from 0 to 1.
        """
        mass, distance = self.at(level)
        return np.where(distances > distance, "novel", np.where(confidences <= mass, "ambiguous", ""))


def fit_doubt_rule(true: Ints, probabilities: Floats, distances: Floats) -> DoubtRule:
    """The rule for the images that a training learns from.

    From level 0 to 1 the coverage wanted of the sets rises evenly, from the accuracy, which is what one
    class alone covers, to 99 %, or to N / (N + 1) if that is less: N images tell no more. A confidence
    up to half the level is not sure either, however right the others were: where all were, nothing else
    would stop an answer that is by its own account more likely wrong.

    The share of familiar images that are taken for unlike rises from 0 to 10 % (conformal p-values, Bates et
    al., "Testing for Outliers with Conformal p-values", 2023), and with the root of the level, thus early:
    it costs few answers, and photos of something else altogether should not get any.

    Args:
        true: (N,), class numbers of the training images.
        probabilities: (N, C), by heads that did not learn from the image, as from `out_of_fold_logits`;
            scaled by a temperature if those to be judged will be.
        distances: (N,), their `novelty` to each other, near-duplicates left out.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    scores = np.sort(_true_scores(true, probabilities))
    if distances.shape != true.shape:
        raise InputError(
            "{count} labels and distances of shape {shape}; give (N,).",
            count=len(true),
            shape=str(distances.shape),
        )
    highest = min(_HIGHEST_COVERAGE, len(true) / (len(true) + 1))
    lowest = min(float((probabilities.argmax(axis=1) == true).mean()), highest)
    far = np.sort(distances)
    masses, limits = [0.0], [_FARTHEST]
    for level in _LEVELS[1:].tolist():
        covered = scores[_rank(lowest + level * (highest - lowest), len(true)) - 1]
        masses.append(max(float(covered), level / 2))
        limits.append(float(far[min(_rank(1 - _MOST_UNLIKE * math.sqrt(level), len(true)), len(true)) - 1]))
    return DoubtRule(masses=tuple(masses), distances=tuple(limits))


def conformal_threshold(true: Ints, probabilities: Floats, coverage: float) -> float:
    """The mass for `prediction_sets` with which the sets of new images contain the truth often enough.

    The ⌈(N + 1) · coverage⌉-th smallest score of N images (Angelopoulos and Bates, 2023).

    Args:
        true: (N,), class numbers of images that were not learned from.
        probabilities: (N, C).
        coverage: Share of sets that shall contain the truth, 0 … 1.

    Returns:
        0 … 1; 1, with which all classes are in every set, if N images are too few to tell.

    Raises:
        InputError: No images, or shapes that do not match.
    """
    scores = np.sort(_true_scores(true, probabilities))
    rank = _rank(coverage, len(true))
    return float(scores[max(rank, 1) - 1]) if rank <= len(true) else 1.0


def prediction_sets(probabilities: Floats, mass: float) -> Bools:
    """The classes before which there is no more than a mass of probability: (N, C) -> (N, C).

    The most probable class is always in, and the only one if its probability is above the mass.
    """
    return _mass_before(probabilities) <= mass


def set_coverage(true: Ints, sets: Bools) -> float:
    """Share of images whose set contains the truth, 0 … 1; NaN without images: (N,), (N, C)."""
    return float(sets[np.arange(len(true)), true].mean()) if len(true) else float("nan")


def coverage_curve(rule: DoubtRule, true: Ints, probabilities: Floats, distances: Floats) -> pd.DataFrame:
    """Return coverage and accuracy at each level, on images that were not learned from.

    Args:
        rule: What is judged.
        true: (N,), class numbers.
        probabilities: (N, C).
        distances: (N,), their `novelty`.

    Returns:
        Columns level, 0, 0.01 … 1; coverage, the share of images that are answered; accuracy, the share of
        these whose answer is right, NaN if there are none; in_set, the share of all images whose set
        contains the truth.
    """
    right = probabilities.argmax(axis=1) == true
    confidence, scores = probabilities.max(axis=1), _true_scores(true, probabilities) if len(true) else true
    rows = []
    for level in _LEVELS.tolist():
        answered = right[rule.reasons(confidence, distances, level) == ""]
        rows.append(
            {
                "level": level,
                "coverage": len(answered) / len(true) if len(true) else math.nan,
                "accuracy": float(answered.mean()) if len(answered) else math.nan,
                "in_set": float((scores <= rule.at(level)[0]).mean()) if len(true) else math.nan,
            }
        )
    return pd.DataFrame(rows)


def _mass_before(probabilities: Floats) -> Floats:
    """Probability of all classes that are more probable than each: (N, C) -> (N, C), 0 … 1."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    summed = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    before = np.zeros_like(summed)
    before[:, 1:] = np.minimum(summed[:, :-1], 1.0)
    masses = np.empty_like(before)
    np.put_along_axis(masses, order, before, axis=1)
    return masses


def _true_scores(true: Ints, probabilities: Floats) -> Floats:
    if not len(true) or probabilities.ndim != 2 or len(probabilities) != len(true):
        raise InputError(
            "{count} labels and probabilities of shape {shape} do not match; give at least one image and (N, "
            "C).",
            count=len(true),
            shape=str(probabilities.shape),
        )
    return _mass_before(probabilities)[np.arange(len(true)), true]


def _rank(share: float, count: int) -> int:
    """⌈(N + 1) · share⌉, unharmed by rounding."""
    return math.ceil((count + 1) * share - 1e-9)

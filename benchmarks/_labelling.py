"""What labelling costs a person, and whether the live estimate is honest: simulated, without errors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks._embedded import EmbeddedSet, embedded_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.labelling import (
    Answers,
    Estimate,
    answer,
    estimate_accuracy,
    group_photos,
    pick_at_random,
    pick_teaching,
    principal_axes,
    whitened,
)

__all__ = ["labelling"]

SEEDS = range(5)
PAGE = 12
SHOWN = 8  # photos of a group
HELD_BACK = 1 / 3
NEAR = 0.02  # of the accuracy with all labels
PURE = 0.6  # of a group, below which a person passes it over
FEW = 68  # labels, as in earlier measurements

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def labelling(setting: Setting) -> list[Row]:
    """Labels and actions until the guesses are as good as with all labels, less 2 points.

    Labels against those that are given at random, with the same guesses; actions against labelling every
    photo. Confirming a page is one action, and so is each correction, naming a group, removing an odd photo
    and passing a group over. Photos held back judge; they are in the space, but without labels. Mean over
    five seeds, at most 400 photos to label.
    """
    rows = []
    for data in embedded_sets(setting):
        sessions = [_Session(data, seed) for seed in SEEDS]
        ours = [session.run(teach=True) for session in sessions]
        random = [_Session(data, seed).run(teach=False) for seed in SEEDS]
        name = f"labelling: {data.name}"
        labels, blind = (np.mean([found.labels for found in runs]) for runs in (ours, random))
        actions = np.mean([found.actions for found in ours])
        everything = np.mean([len(session.pool) for session in sessions])
        rows += [
            Row(name=f"{name}, labels", value=float(labels), unit="labels", baseline=float(blind)),
            Row(name=f"{name}, actions", value=float(actions), unit="actions", baseline=float(everything)),
            Row(
                name=f"{name}, with {FEW} labels",
                value=100 * float(np.mean([found.early for found in ours])),
                unit="% right",
                baseline=100 * float(np.mean([found.early for found in random])),
            ),
            *_estimates(name, [pair for found in ours for pair in found.estimates]),
        ]
        setting.say(f"  {name}: {labels:.0f} labels, at random {blind:.0f}; {actions:.0f} actions")
    return rows


def _estimates(name: str, pairs: list[tuple[Estimate, float]]) -> list[Row]:
    """Return how the live estimate compares with the accuracy on photos held back."""
    if not pairs:
        return []
    inside = np.mean([found.low <= truth <= found.high for found, truth in pairs])
    error = np.mean([found.accuracy - truth for found, truth in pairs])
    naive = np.mean([found.naive - truth for found, truth in pairs])
    return [
        Row(name=f"{name}, interval holds the truth", value=100 * float(inside), unit="%"),
        Row(name=f"{name}, mean error", value=100 * float(error), unit="points", baseline=100 * float(naive)),
    ]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Course:
    """How a session went.

    Attributes:
        labels: Until the guesses were good enough.
        actions: Until then.
        early: Accuracy with few labels.
        estimates: After each page, with the accuracy on photos held back.
    """

    labels: int
    actions: int
    early: float
    estimates: list[tuple[Estimate, float]]


class _Session:
    """A person who makes no errors labels a set."""

    def __init__(self, data: EmbeddedSet, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(data.labels))
        held = round(HELD_BACK * len(order))
        self.held, self.pool = order[:held], np.sort(order[held : held + 400])
        self._truth, self._classes, self._seed = data.labels, data.classes, seed
        self._space = principal_axes(data.vectors)
        self._flat = whitened(self._space)
        self._labels = np.full(len(order), -1)
        self._step = np.full(len(order), -1)
        self._at_random = np.zeros(len(order), dtype=np.bool_)
        self._actions = 0

    def run(self, *, teach: bool) -> _Course:
        """Label until nothing is left."""
        everything = np.full_like(self._labels, -1)
        everything[self.pool] = self._truth[self.pool]
        enough = self._accuracy(answer(self._space, everything, self._classes)) - NEAR
        estimates, done, early, page = [], None, 0.0, 1
        if teach:
            self._name_groups()
        else:
            self._give(pick_at_random(self.pool, PAGE, seed=self._seed), 0)
        while True:
            answers = answer(self._space, self._labels, self._classes)
            accuracy, count = self._accuracy(answers), int((self._labels >= 0).sum())
            early = early if early and count > FEW else accuracy
            if done is None and accuracy >= enough:
                done = count, self._actions
            estimate = self._estimate(answers)
            if estimate is not None:
                estimates.append((estimate, accuracy))
            rows = self.pool[self._labels[self.pool] < 0]
            if not len(rows):
                labels, actions = done or (count, self._actions)
                return _Course(labels=labels, actions=actions, early=early, estimates=estimates)
            self._label_page(answers, rows, page, teach=teach)
            page += 1

    def _name_groups(self) -> None:
        for group in group_photos(self._flat, self.pool, 2 * self._classes, seed=self._seed):
            shown = group.positions[:SHOWN]
            usual = np.bincount(self._truth[shown]).argmax()
            own = shown[self._truth[shown] == usual]
            self._actions += 1
            if len(own) >= PURE * len(shown):
                self._actions += len(shown) - len(own)
                self._give(own, 0)

    def _label_page(self, answers: Answers, rows: Ints, page: int, *, teach: bool) -> None:
        blind = pick_at_random(rows, round(PAGE / 6) if teach else PAGE, seed=[self._seed, page])
        others = np.setdiff1d(rows, blind)
        picked = pick_teaching(self._flat, others, answers.margin, PAGE - len(blind), seed=page)
        both = np.concatenate([picked, blind])
        self._actions += 1 + int((answers.guess[both] != self._truth[both]).sum())
        self._give(both, page)
        self._at_random[blind] = True

    def _give(self, rows: Ints, step: int) -> None:
        self._labels[rows], self._step[rows] = self._truth[rows], step

    def _accuracy(self, answers: Answers) -> float:
        return float((answers.guess[self.held] == self._truth[self.held]).mean())

    def _estimate(self, answers: Answers) -> Estimate | None:
        own = self.pool
        right: Bools = answers.guess[own] == self._labels[own]
        return estimate_accuracy(answers.margin[own], self._step[own], right, self._at_random[own])

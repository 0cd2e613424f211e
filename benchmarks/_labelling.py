"""What labelling costs a person, whether the live estimate is honest, and who finds errors: simulated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._embedded import EmbeddedSet, real_sets
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.evaluation import rank_labels
from vitcore.labelling import (
    Answers,
    Estimate,
    answer,
    drawn_to_neighbours,
    estimate_accuracy,
    group_photos,
    pick_at_random,
    pick_teaching,
    principal_axes,
    whitened,
)
from vitcore.training import Hyperparameters, out_of_fold_logits, softmax

__all__ = ["labelling"]

SEEDS = range(5)
PHOTOS = 600  # of a set, another choice with each seed
TO_LABEL = 2 / 3  # of them; the others judge
PAGE = 12
GROUPS, SHOWN = 12, 3  # as the page offers, whatever the number of classes; photos of a group
NEAR = 0.02  # of the accuracy with all labels
PURE = 0.6  # of a group, below which a person passes it over
FEW = 68  # labels, as in earlier measurements
EARLY = 40  # actions
WRONG = 0.05  # of the answers of a person who errs
AUDITED = (200, 400)  # labels given by that person
LOOKED_AT = 0.1  # of them, those that the audit suspects most
Z = 1.96

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def labelling(setting: Setting) -> list[Row]:
    """Labels and actions until the guesses are as good as with all labels, less 2 points.

    Labels against those that are given at random, with the same guesses; actions against labelling every
    photo. Confirming a page is one action, and so is each correction, naming a group, removing an odd photo
    and passing a group over. Photos held back judge; they are in the space, but without labels. Mean over
    five seeds, 400 photos to label and 200 that judge. The person makes no errors, but for the last rows of a
    set: there, one answer in twenty is wrong, and teaches, and the label audit looks for it in the labels
    given by then. Beside the photos it takes the sets of requirements-benchmarks.txt where these are.
    """
    rows = []
    shares: dict[str, list[float]] = {
        "labels, of those at random": [],
        "actions, of labelling everything": [],
    }
    for data in real_sets(setting):
        heaps = [_Heap(data, seed) for seed in SEEDS]
        ours = [_Session(heap).run(teach=True) for heap in heaps]
        blind = [_Session(heap).run(teach=False) for heap in heaps]
        name = f"labelling: {data.name}"

        def mean(courses: Sequence["_Course"], what: str, factor: float = 1.0) -> float:
            return factor * float(np.mean([getattr(course, what) for course in courses]))

        everything = float(np.mean([len(heap.pool) for heap in heaps]))
        counted = [
            Row(
                name=f"{name}, labels",
                value=mean(ours, "labels"),
                unit="labels",
                baseline=mean(blind, "labels"),
            ),
            Row(name=f"{name}, actions", value=mean(ours, "actions"), unit="actions", baseline=everything),
        ]
        for row, found in zip(counted, shares.values(), strict=True):
            found.append(100 * (row.ratio or 0.0))
        whole, alone = np.mean([heap.worth_of_the_unlabelled() for heap in heaps], axis=0)
        rows += [
            *counted,
            *(
                Row(
                    name=f"{name}, with {count} {what}",
                    value=mean(ours, attribute, 100),
                    unit="% right",
                    baseline=mean(blind, attribute, 100),
                )
                for count, what, attribute in (
                    (FEW, "labels", "after_few_labels"),
                    (EARLY, "actions", "after_few_actions"),
                )
            ),
            Row(
                name=f"{name}, {FEW} labels at random, beside unlabelled",
                value=100 * float(whole),
                unit="% right",
                baseline=100 * float(alone),
            ),
            *_estimates(name, [pair for course in ours for pair in course.estimates], len(heaps[0].held)),
            *(
                Row(
                    name=f"{name}, wrong ones of {count} labels in the first tenth of the audit",
                    value=100 * float(np.mean([_audited(heap, count) for heap in heaps])),
                    unit="% found",
                )
                for count in AUDITED
            ),
        ]
        setting.say(f"  {name}: {counted[0].value:.0f} labels, {counted[1].value:.0f} actions")
    return [
        *rows,
        *(
            Row(name=f"labelling: {what}", value=float(np.mean(found)), unit="%")
            for what, found in shares.items()
        ),
    ]


def _estimates(name: str, pairs: list[tuple[Estimate, float]], judging: int) -> list[Row]:
    """Return how the live estimate compares with the accuracy on so many photos held back."""
    if not pairs:
        return []
    inside = np.mean([_holds(found, truth, judging) for found, truth in pairs])
    error = np.mean([found.accuracy - truth for found, truth in pairs])
    naive = np.mean([found.naive - truth for found, truth in pairs])
    return [
        Row(name=f"{name}, interval holds the truth", value=100 * float(inside), unit="%"),
        Row(name=f"{name}, mean error", value=100 * float(error), unit="points", baseline=100 * float(naive)),
    ]


def _holds(found: Estimate, accuracy: float, judging: int) -> bool:
    """Whether an accuracy lies in the interval, but for the chance by which these photos judge."""
    chance = Z * (accuracy * (1 - accuracy) / judging) ** 0.5
    half = (found.high - found.low) / 2
    return abs(accuracy - (found.low + found.high) / 2) <= (half**2 + chance**2) ** 0.5


def _audited(heap: "_Heap", count: int) -> float:
    """Return the share of wrong labels that the audit of so many has in its first tenth."""
    random = np.random.default_rng(heap.seed)
    wrong = random.permutation(heap.pool)[: round(WRONG * len(heap.pool))]
    told = heap.truth.copy()
    told[wrong] = (told[wrong] + random.integers(1, heap.classes, len(wrong))) % heap.classes
    labels = _Session(heap, told).given(count)
    own = np.flatnonzero(labels >= 0)
    vectors, groups, h = heap.vectors[own], heap.groups[own], Hyperparameters()
    logits = out_of_fold_logits(
        vectors[:, np.newaxis],
        labels[own],
        groups,
        classes=heap.classes,
        hyperparameters=h,
        epochs=h.epochs,
        seed=heap.seed,
    )
    table = rank_labels(labels[own], softmax(logits), vectors, groups)
    suspected = own[table["position"][: round(LOOKED_AT * len(own))]]
    return float(np.isin(suspected, wrong).sum() / max(np.isin(own, wrong).sum(), 1))


class _Heap:
    """Photos of a set: some that a person may label, and some held back that judge.

    Attributes:
        vectors: (N, D), of all.
        groups: (N,), the same number for near-duplicates.
        space: (N, A).
        truth: (N,), class numbers.
        classes: How many there are.
        held: Rows that judge.
        pool: Rows that may be labelled, rising.
        enough: The accuracy that is near that with all labels.
        seed: Of what is drawn.
    """

    def __init__(self, data: EmbeddedSet, seed: int) -> None:
        chosen = np.random.default_rng(seed).permutation(len(data.labels))[:PHOTOS]
        self.truth, self.classes, self.seed = data.labels[chosen], data.classes, seed
        count = round(TO_LABEL * len(chosen))
        self.pool, self.held = np.arange(count), np.arange(count, len(chosen))
        self.vectors, self.groups = np.asarray(data.vectors[chosen]), data.groups[chosen]
        self.space = drawn_to_neighbours(principal_axes(self.vectors))
        everything = np.where(np.arange(len(chosen)) < count, self.truth, -1)
        self.enough = self.accuracy(answer(self.space, everything, self.classes)) - NEAR

    def accuracy(self, answers: Answers) -> float:
        return float((answers.guess[self.held] == self.truth[self.held]).mean())

    def worth_of_the_unlabelled(self) -> tuple[float, float]:
        """Return the accuracy with few labels at random, in the space of all photos and in theirs alone."""
        taught = np.sort(pick_at_random(self.pool, FEW, seed=self.seed))
        labels = np.full(len(self.truth), -1)
        labels[taught] = self.truth[taught]
        whole = self.accuracy(answer(self.space, labels, self.classes))
        alone = make_pipeline(StandardScaler(), PCA()).fit(self.vectors[taught].astype(np.float32))
        turned = alone.transform(self.vectors.astype(np.float32)).astype(np.float32)
        return whole, self.accuracy(answer(turned, labels, self.classes))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Course:
    """How a session went.

    Attributes:
        labels: Until the guesses were good enough.
        actions: Until then.
        after_few_labels: Accuracy with few labels.
        after_few_actions: Accuracy after few actions.
        estimates: After each page, with the accuracy on photos held back.
    """

    labels: int
    actions: int
    after_few_labels: float
    after_few_actions: float
    estimates: list[tuple[Estimate, float]]


class _Session:
    """A person labels a heap, without errors, or with what is told as the class of each photo, (N,)."""

    def __init__(self, heap: _Heap, told: Ints | None = None) -> None:
        self._heap, count = heap, len(heap.truth)
        self._told = heap.truth if told is None else told
        self._labels = np.full(count, -1)
        self._step = np.full(count, -1)
        self._at_random = np.zeros(count, dtype=np.bool_)
        self._actions = 0

    def run(self, *, teach: bool) -> _Course:
        """Label until nothing is left."""
        heap = self._heap
        estimates: list[tuple[Estimate, float]] = []
        stands: list[tuple[int, int, float]] = []  # labels, actions, accuracy
        if teach:
            self._name_groups()
        else:
            first = pick_at_random(heap.pool, PAGE, seed=heap.seed)
            self._actions += 1 + len(first)  # nothing is guessed yet
            self._give(first, 0)
        for page in range(1, len(heap.pool)):
            answers = answer(heap.space, self._labels, heap.classes)
            accuracy = heap.accuracy(answers)
            stands.append((int((self._labels >= 0).sum()), self._actions, accuracy))
            estimate = self._estimate(answers)
            if estimate is not None:
                estimates.append((estimate, accuracy))
            rows = heap.pool[self._labels[heap.pool] < 0]
            if not len(rows):
                break
            self._label_page(answers, rows, page, teach=teach)
        labels, actions, accuracies = (np.array(column) for column in zip(*stands, strict=True))
        enough = int(np.argmax(accuracies >= heap.enough))  # with all labels it is
        return _Course(
            labels=int(labels[enough]),
            actions=int(actions[enough]),
            after_few_labels=float(np.interp(FEW, labels, accuracies)),
            after_few_actions=float(np.interp(EARLY, actions, accuracies)),
            estimates=estimates,
        )

    def given(self, count: int) -> Ints:
        """Label until so many have a label, or all; the labels, −1 for none: (N,)."""
        heap = self._heap
        self._name_groups()
        for page in range(1, len(heap.pool)):
            rows = heap.pool[self._labels[heap.pool] < 0]
            if (self._labels >= 0).sum() >= count or not len(rows):
                break
            self._label_page(answer(heap.space, self._labels, heap.classes), rows, page, teach=True)
        return self._labels

    def _name_groups(self) -> None:
        heap = self._heap
        for group in group_photos(whitened(heap.space), heap.pool, GROUPS, seed=heap.seed):
            shown = group.positions[:SHOWN]
            usual = np.bincount(self._told[shown]).argmax()
            own = shown[self._told[shown] == usual]
            self._actions += 1
            if len(own) >= PURE * len(shown):
                self._actions += len(shown) - len(own)
                self._give(own, 0)

    def _label_page(self, answers: Answers, rows: Ints, page: int, *, teach: bool) -> None:
        blind = pick_at_random(rows, round(PAGE / 6) if teach else PAGE, seed=[self._heap.seed, page])
        others = np.setdiff1d(rows, blind)
        picked = pick_teaching(answers, self._labels, others, PAGE - len(blind))
        both = np.concatenate([picked, blind])
        self._actions += 1 + int((answers.guess[both] != self._told[both]).sum())
        self._give(both, page)
        self._at_random[blind] = True

    def _give(self, rows: Ints, step: int) -> None:
        self._labels[rows], self._step[rows] = self._told[rows], step

    def _estimate(self, answers: Answers) -> Estimate | None:
        own = self._heap.pool
        right: Bools = answers.guess[own] == self._labels[own]
        return estimate_accuracy(answers.margin[own], self._step[own], right, self._at_random[own])
